// SPDX-License-Identifier: MIT
// xvsock-hostile: a peer that speaks the protocol from userspace, first as it should be spoken and then in
// every wrong way. Runs as root in a guest of the testbed that is linked with the victim and has no xen_vsock
// loaded. The addresses come from the testbed's environment (docs/testbed.md).
#include "attack.hpp"

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <regex>
#include <set>
#include <thread>
#include <utility>

#include <sys/resource.h>

#include <boost/program_options.hpp>
#include <fmt/format.h>

namespace po = boost::program_options;

namespace xvsock::hostile {

namespace {

using clock = std::chrono::steady_clock;

std::string from_environment(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr)
        throw std::runtime_error(name + " is not set: this program runs in a scenario of the testbed");
    return value;
}

unsigned number_from_environment(const std::string& name) {
    return static_cast<unsigned>(std::stoul(from_environment(name)));
}

std::vector<attack> all_attacks() {
    std::vector<attack> all;
    for (auto list : {index_attacks(), request_attacks(), growth_attacks(), control_attacks(),
                      ending_attacks(), kept_attacks(), bus_attacks(), storm_attacks()})
        for (auto& one : list)
            all.push_back(std::move(one));
    return all;
}

long milliseconds_since(clock::time_point start) {
    return std::chrono::duration_cast<milliseconds>(clock::now() - start).count();
}

class runner {
public:
    explicit runner(arena& at) : at_(at), control_channels_(at.victim.check().control_channels) {}

    // The protocol as it should be, with much data in rings of all sizes.
    void be_honest() {
        at_.must_echo();
        reuse();
        exchange(std::nullopt, 50'000);
        for (const std::uint16_t order : {order_page, std::uint16_t{14}, order_max})
            exchange(order, 200'000);
        kernel_lines_ = check_nothing_left("the honest connections").kernel_lines;
    }

    // Whether the victim stood it.
    bool attack_with(const attack& what) {
        const auto start = clock::now();
        std::string problem;
        try {
            attack_and_check(what);
        } catch (const std::exception& error) {
            problem = error.what();
        }
        fmt::print("{} {} ({} ms){}{}\n", problem.empty() ? "ok  " : "FAIL", what.name,
                   milliseconds_since(start), problem.empty() ? "" : ": ", problem);
        std::fflush(stdout);
        if (!problem.empty()) {
            const auto logged = at_.victim.kernel_log();
            fmt::print("{}", logged.substr(logged.size() - std::min<std::size_t>(logged.size(), 1000)));
            recover();
        }
        return problem.empty();
    }

    // What Xen itself counts of the victim and of us, on a link that has just been made.
    std::string usage() {
        at_.peer_link.make();
        check_nothing_left("it all");
        std::string text;
        for (const auto id : {at_.peer_link.victim(), at_.own})
            text += at_.dom0.run(fmt::format("xen-usage {}", id));
        return text;
    }

    void check_usage(const std::string& before) {
        std::string now;
        // Packets on their way are grants, too.
        for (int attempt = 0; attempt < 10 * at_.slack; ++attempt) {
            now = usage();
            if (now == before)
                return;
            std::this_thread::sleep_for(300ms);
        }
        fail("Xen counts of the victim and of this domain before:\n" + before + "and after:\n" + now);
    }

private:
    // The victim echoes; both directions at once. With an order, both grow to it.
    void exchange(std::optional<std::uint16_t> order, std::size_t total) {
        const auto what = order ? fmt::format("rings of order {}", *order) : std::string("the small rings");
        connection ours(at_.peer_link, service_port(action::echo));
        ours.connect();
        if (order) {
            for (const auto which : {direction::left, direction::right}) {
                auto grow = ours.about(op::grow, which, *order);
                grow.ring_ref = ours.grant_ring(which, *order).refs().front();
                // What we read from, the victim may move to as soon as it has mapped it.
                if (which == ours.reads())
                    ours.ring_is_ready(which);
                at_.peer_link.send(grow);
            }
        }
        std::vector<std::uint8_t> data(total);
        for (std::size_t i = 0; i < total; ++i)
            data[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
        std::vector<std::uint8_t> back(total);
        std::size_t sent = 0;
        std::size_t got = 0;
        const auto end = clock::now() + patience;
        while (got < total) {
            const auto put = ours.try_send(std::span(data).subspan(sent));
            const auto took = ours.try_receive(std::span(back).subspan(got));
            sent += put;
            got += took;
            if (put + took == 0)
                ours.wait_a_little();
            require(clock::now() < end, what + ": the victim does not echo in time");
        }
        require(back == data, what + ": the echo differs");
        if (order)
            require(ours.grown(direction::left) && ours.grown(direction::right), what + " are not used");
        ours.close();
    }

    void attack_and_check(const attack& what) {
        const auto start = clock::now();
        if (!at_.peer_link.is_up())
            at_.peer_link.make();
        at_.peer_link.forget_messages();
        what.run(at_);

        const bool up = at_.peer_link.is_up();
        if (what.fate == link_fate::survives)
            require(up, "the link has fallen");
        else if (what.fate == link_fate::falls)
            require(!up, "the link stands");

        check_witness();
        const int took = at_.victim.close_all(at_.own_cid);
        require(took < 3000 * at_.slack, fmt::format("the victim takes {} ms to close its sockets", took));
        if (!up)
            at_.peer_link.make();
        at_.must_echo();
        const auto now = check_nothing_left("it");
        const int lines = now.kernel_lines - kernel_lines_;
        kernel_lines_ = now.kernel_lines;
        // The victim's limit is one of lines in a time.
        const auto allowed = what.kernel_lines * (1 + (clock::now() - start) / 5s);
        require(lines <= allowed, fmt::format("the victim logs {} lines, and {} at most", lines, allowed));
    }

    // A third guest connects, and gets its bytes back.
    void check_witness() {
        const int socket = at_.witness.connect(at_.victim_cid, service_port(action::echo), action::ask);
        const auto result = at_.witness.wait(socket, 20000);
        require(result.ended && result.connect_error == 0 && result.error == 0,
                fmt::format("the witness is harmed: ended {}, connect {}, then {}", result.ended,
                            result.connect_error, result.error));
        at_.witness.close_all(at_.victim_cid);
    }

    // Sockets, event channels, connections and pages of the victim.
    health check_nothing_left(const std::string& of_what) {
        health now;
        // What the victim has granted is given back when the other side says so; that side is us, and the
        // record of what we never gave back ends with the link.
        for (const bool anew : {false, true}) {
            if (anew)
                at_.peer_link.make();
            for (int tick = 0; tick < (anew ? 80 * at_.slack : 4); ++tick) {
                if (at_.peer_link.generation() != 0)
                    at_.peer_link.receive(); // what the victim keeps it is told to release
                now = at_.victim.check();
                if (now.idle() && now.control_channels == control_channels_)
                    return now;
                std::this_thread::sleep_for(25ms);
            }
        }
        fail(fmt::format("{} leaves {} references of the module, {} event channels, {} connections, {} ring "
                         "pages; {} of {} control channels",
                         of_what, now.module_references, now.data_channels, now.connections, now.pages,
                         now.control_channels, control_channels_));
    }

    // One vchan for several connections, first ours and then the victim's; then it is released.
    void reuse() {
        auto& link = at_.peer_link;
        const by_hand hand(link);
        connection ours(link, service_port(action::echo));
        for (int round = 0; round < 3; ++round) {
            ours.connect();
            const std::vector<std::uint8_t> data(700, static_cast<std::uint8_t>('a' + round));
            std::vector<std::uint8_t> back(data.size());
            require(ours.send(data, patience) && ours.receive(back, patience) && back == data,
                    "the victim does not echo through a vchan that it has kept");
            require(ours.close_for_next(), "the victim does not keep a vchan");
        }
        at_.must_release(ours.request().ring_ref);

        // What the victim has no use for it asks back after a while: then the next connection has another.
        grant_ref before = 0;
        bool again = false;
        for (int round = 0; round < 10 && !again; ++round) {
            auto asked = at_.connected(false, action::ask);
            const auto ref = asked.ours->request().ring_ref;
            again = ref == std::exchange(before, ref);
            at_.must_echo(asked);
            require(at_.must_end(asked.socket).error == 0, "a connection through a kept vchan fails");
            at_.victim.close_all(at_.own_cid);
            asked.ours->set_live(live::closed);
            asked.ours->release();
            asked.ours->send_reset(ref);
            std::this_thread::sleep_for(50ms);
        }
        require(again, "the victim has no use for the vchans that we keep");
        at_.must_ask_back(before);
    }

    // After a failure: the next attack is to find a link as it should be.
    void recover() {
        try {
            at_.victim.close_all(at_.own_cid);
            at_.peer_link.make();
            at_.must_echo();
        } catch (const std::exception& error) {
            fmt::print("     the link is not as it was ({}); dom0 makes it anew\n", error.what());
            try {
                at_.relink();
                at_.peer_link.make();
            } catch (const std::exception& again) {
                fmt::print("     nor does that help: {}\n", again.what());
            }
        }
        kernel_lines_ = at_.victim.check().kernel_lines;
    }

    arena& at_;
    int control_channels_;
    int kernel_lines_ = 0; // of the victim, before the attack
};

int run(const po::variables_map& options) {
    const std::regex filter(options["filter"].as<std::string>());
    const std::regex skip(options["skip"].as<std::string>());
    std::vector<attack> chosen;
    for (auto& one : all_attacks())
        if (std::regex_search(one.name, filter) && !std::regex_search(one.name, skip))
            chosen.push_back(std::move(one));
    if (options.count("list") != 0) {
        for (const auto& one : chosen)
            fmt::print("{}\n", one.name);
        return EXIT_SUCCESS;
    }

    const auto own = static_cast<domid>(number_from_environment("DOMID"));
    const auto victim_id = static_cast<domid>(number_from_environment("DOMID_victim"));
    referee victim("victim", from_environment("IP_victim"));
    referee witness("witness", from_environment("IP_witness"));
    referee dom0("dom0", from_environment("IP_dom0"));
    link peer_link(own, victim_id);
    const auto relink = [&] {
        peer_link.forget();
        dom0.run(fmt::format("xvsock-peer remove {0} {1} && xvsock-peer add {0} {1}", own, victim_id));
    };
    // In virtual time the machine's load is no excuse.
    const bool undisturbed = from_environment("MODE") == "virtual";
    arena at{.peer_link = peer_link,
             .victim = victim,
             .witness = witness,
             .dom0 = dom0,
             .own = own,
             .own_cid = number_from_environment("CID"),
             .victim_cid = number_from_environment("CID_victim"),
             .relink = relink,
             .bandwidth_looks = undisturbed ? 3 : 10,
             .slack = undisturbed ? 1 : 5};

    const auto start = clock::now();
    // What the victim keeps for the witness would be left over for a second after each attack.
    const module_parameter no_idle(witness, "max_idle", 0);
    peer_link.make();
    runner runner(at);
    runner.be_honest();
    fmt::print("ok   honest, as the {} ({} ms)\n",
               peer_link.side() == half::frontend ? "frontend" : "backend", milliseconds_since(start));
    int failed = 0;
    if (options.count("honest") == 0) {
        const auto usage = runner.usage();
        for (const auto& one : chosen)
            failed += runner.attack_with(one) ? 0 : 1;
        runner.check_usage(usage);
    }
    const auto health = victim.check();
    peer_link.drop();
    fmt::print("{} attacks, {} failed, {} s; of {} sockets {} took more than a second to end, the slowest {} "
               "ms; the victim has {} KiB free\n",
               chosen.size(), failed, milliseconds_since(start) / 1000, at.ends, at.slow_ends,
               at.slowest_end.count(), health.available_kib);
    if (at.slow_ends > (undisturbed ? 0 : at.ends / 2)) {
        fmt::print("FAIL that is too many\n");
        ++failed;
    }
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace

} // namespace xvsock::hostile

int main(int argc, char** argv) {
    po::options_description description("Options");
    description.add_options()("help", "show this help")("list", "only name the attacks")(
        "honest", "only speak the protocol as it should be")(
        "filter", po::value<std::string>()->default_value("."), "attacks whose name this expression matches")(
        "skip", po::value<std::string>()->default_value("^$"), "but not those whose name this one matches");
    try {
        po::variables_map options;
        po::store(po::parse_command_line(argc, argv, description), options);
        po::notify(options);
        if (options.count("help") != 0) {
            std::cout << "Usage: xvsock-hostile [OPTION...]\n" << description;
            return EXIT_SUCCESS;
        }
        // Every event channel is a file of its own.
        const rlimit files{.rlim_cur = 4096, .rlim_max = 4096};
        ::setrlimit(RLIMIT_NOFILE, &files);
        return xvsock::hostile::run(options);
    } catch (const po::error& error) {
        std::cerr << "xvsock-hostile: " << error.what() << '\n';
        return 2;
    } catch (const std::exception& error) {
        fmt::print("FAIL {}\n", error.what());
        return EXIT_FAILURE;
    }
}
