// SPDX-License-Identifier: MIT
#include "attack.hpp"

#include <algorithm>
#include <regex>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

namespace xvsock::hostile {

namespace {

using clock = std::chrono::steady_clock;

constexpr int end_limit_ms = 20000;
constexpr std::uint32_t our_port = 9000; // the victim connects to it; we listen everywhere

} // namespace

void fail(const std::string& what) {
    throw std::runtime_error(what);
}

module_parameter::module_parameter(referee& domain, const std::string& name, std::size_t value)
    : domain_(domain), path_("/sys/module/xen_vsock/parameters/" + name),
      before_(domain.run("cat " + path_)) {
    domain.run(fmt::format("echo {} > {}", value, path_));
}

module_parameter::~module_parameter() {
    try {
        domain_.run("echo " + before_.substr(0, before_.find('\n')) + " > " + path_);
    } catch (const std::exception& error) {
        fmt::print("     {} is not as it was: {}\n", path_, error.what());
    }
}

arena::pair arena::connected(bool as_initiator, action what) {
    if (!as_initiator) {
        auto result = connecting(what);
        result.ours->accept();
        return result;
    }
    auto ours = std::make_unique<connection>(peer_link, service_port(what));
    ours->connect();
    const auto socket = victim.accepted(own_cid, ours->request().src_port);
    require(socket.has_value(), "the victim's listener gets no connection");
    return {std::move(ours), *socket};
}

arena::pair arena::connecting(action what, int timeout_ms) {
    const int socket = victim.connect(own_cid, our_port, what, timeout_ms);
    const auto request = peer_link.next_request(patience);
    require(request.has_value(), "the victim sends no REQUEST");
    return {std::make_unique<connection>(peer_link, *request), socket};
}

outcome arena::must_end(int socket, std::initializer_list<int> errors) {
    const auto start = clock::now();
    const auto result = victim.wait(socket, end_limit_ms);
    const auto took = std::chrono::duration_cast<milliseconds>(clock::now() - start);
    slowest_end = std::max(slowest_end, took);
    ++ends;
    slow_ends += took > 1s ? 1 : 0;
    require(result.ended, fmt::format("the victim's socket does not end within {} ms", end_limit_ms));
    // An answer and what breaks the connection may come so close together that it is connect() which fails.
    const int error = result.connect_error != 0 ? result.connect_error : result.error;
    require(errors.size() == 0 || std::find(errors.begin(), errors.end(), error) != errors.end(),
            fmt::format("the victim's socket ends with {} ({})", error,
                        error == 0 ? "end of input" : std::strerror(error)));
    return result;
}

outcome arena::must_end_counted(int socket, const health& before, std::initializer_list<int> errors) {
    const auto result = must_end(socket, errors);
    require(victim.check().violations > before.violations, "the module counts no violation");
    return result;
}

void arena::must_go_on(const pair& connection) {
    require(!victim.wait(connection.socket, 0).ended, "the victim's socket has ended, and should not have");
}

std::vector<std::unique_ptr<connection>> arena::fill_backlog() {
    std::vector<std::unique_ptr<connection>> waiting;
    for (int i = 0; i < 8; ++i) {
        waiting.push_back(std::make_unique<connection>(peer_link, port_never_accepted));
        peer_link.send(waiting.back()->request());
        const auto answer = peer_link.next_answer(waiting.back()->id(), patience);
        require(answer.has_value(), "the victim does not answer");
        if (answer->op == op::reset)
            return waiting;
    }
    fail("the backlog is never full");
}

void arena::must_refuse(const message& request, std::uint32_t reason) {
    peer_link.send(request);
    const auto answer = peer_link.next_answer(request.id, patience);
    require(answer.has_value(), "the victim does not answer a REQUEST");
    require(answer->op == op::reset, "the victim accepts what it should refuse");
    require(answer->reason == reason,
            fmt::format("refused with reason {} instead of {}", answer->reason, reason));
}

void arena::must_fall() {
    require(peer_link.victim_comes_to({bus_state::closed}, patience), "the victim does not end the link");
}

void arena::must_echo(pair& asked) const {
    auto& ours = *asked.ours;
    std::vector<std::uint8_t> buffer(65536);
    const auto end = clock::now() + patience;
    // The victim closes when it has everything back.
    while (ours.page().peer_live.load() != live::closed || ours.page().rx.filled() > 0) {
        const auto got = ours.try_receive(buffer);
        require(ours.send(std::span(buffer).first(got), patience), "the victim does not take its echo");
        require(clock::now() < end, "the victim does not finish its echo");
        if (got == 0)
            ours.wait_a_little();
    }
}

void arena::must_echo() {
    auto asked = connected(false, action::ask);
    must_echo(asked);
    const auto result = must_end(asked.socket);
    require(result.error == 0 && result.connect_error == 0,
            fmt::format("an honest connection of the victim fails: connect {}, then {}", result.connect_error,
                        result.error));
    asked.ours->close();

    const auto asking = connected(true, action::echo);
    std::vector<std::uint8_t> data(1500);
    for (std::size_t i = 0; i < data.size(); ++i)
        data[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
    std::vector<std::uint8_t> back(data.size());
    for (std::size_t done = 0; done < data.size(); done += 500) {
        const auto piece = std::span(data).subspan(done, 500);
        require(asking.ours->send(piece, patience) &&
                    asking.ours->receive(std::span(back).subspan(done, 500), patience),
                "the victim does not echo");
    }
    require(back == data, "the victim's echo differs");
    asking.ours->close();
}

void arena::must_release(grant_ref ref) {
    peer_link.send(vchan_message(op::release, ref));
    // Before it may come what the link has asked for by itself (by_hand).
    for (;;) {
        const auto released = peer_link.next({op::released}, link::any_id, patience);
        require(released.has_value(), "the victim does not release a vchan");
        if (released->ring_ref == ref)
            return;
    }
}

void arena::must_ask_back(grant_ref ref) {
    for (;;) {
        const auto asked = peer_link.next({op::release}, link::any_id, patience);
        require(asked.has_value(), "the victim does not ask its idle vchan back");
        peer_link.send(vchan_message(op::released, asked->ring_ref));
        if (asked->ring_ref == ref)
            return;
    }
}

double arena::witness_bandwidth() const {
    const auto json = witness.run(fmt::format("xvsock perf --connect vsock:{}:5005 --bandwidth 64K --seconds "
                                              "0.5 --verify=0 --json -",
                                              victim_cid));
    std::smatch match;
    require(std::regex_search(json, match, std::regex("\"value\": *([0-9.eE+]+)")),
            "xvsock perf does not say a value: " + json);
    return std::stod(match[1]);
}

void arena::keep_busy(const std::stop_token& stop) {
    while (!stop.stop_requested())
        ;
}

void arena::must_leave_bandwidth(const std::function<void(std::stop_token)>& storm,
                                 const std::function<void(std::stop_token)>& calm) {
    std::string seen;
    for (int look = 0; look < bandwidth_looks; ++look) {
        double before = 0;
        {
            const std::jthread thread(calm);
            before = witness_bandwidth();
        }
        std::string problem;
        double during = 0;
        {
            const std::jthread thread([&](std::stop_token stop) {
                try {
                    storm(stop);
                } catch (const std::exception& error) {
                    problem = error.what();
                }
            });
            std::this_thread::sleep_for(100ms);
            during = witness_bandwidth();
        }
        require(problem.empty(), "the storm ends early: " + problem);
        seen += fmt::format(" {:.0f}->{:.0f}", before, during);
        if (during >= before / 2) {
            fmt::print("    the witness's bandwidth, Mbit/s:{}\n", seen);
            return;
        }
    }
    fail("the witness is left with less than half of its bandwidth, Mbit/s:" + seen);
}

} // namespace xvsock::hostile
