// SPDX-License-Identifier: MIT
// Much of anything that is allowed once. A third guest must be left at least half of its bandwidth with the
// victim.
#include "attack.hpp"

#include <random>
#include <thread>

#include <fmt/format.h>

namespace xvsock::hostile {

namespace {

constexpr std::size_t storm_connections = 8;

std::vector<arena::pair> open_some(arena& at, action what, std::size_t count = storm_connections) {
    std::vector<arena::pair> open;
    for (std::size_t i = 0; i < count; ++i)
        open.push_back(at.connected(i % 2 == 0, what));
    return open;
}

void control_events(arena& at) {
    at.must_leave_bandwidth([&](const std::stop_token& stop) {
        while (!stop.stop_requested())
            at.peer_link.kick();
    });
}

void data_events(arena& at) {
    const auto open = open_some(at, action::receive);
    at.must_leave_bandwidth([&](const std::stop_token& stop) {
        while (!stop.stop_requested())
            for (const auto& pair : open)
                pair.ours->kick();
    });
}

// Each event with a new value of the live byte, in a bit that means nothing: until that has changed too
// often.
void live_flips(arena& at) {
    const auto open = open_some(at, action::receive);
    at.must_leave_bandwidth([&](const std::stop_token& stop) {
        for (unsigned round = 0; !stop.stop_requested(); ++round)
            for (const auto& pair : open)
                pair.ours->set_live(round % 2 == 0 ? 0x81 : live::open);
    });
    for (const auto& pair : open)
        at.must_end(pair.socket, {ECONNRESET});
}

// Each event with an index that has moved to and fro; nothing is ever there when the program looks. This,
// like what comes next, keeps a program of the victim busy, in as many threads as it has taken connections.
// The witness has one connection, too.
void index_flips(arena& at) {
    const auto open = open_some(at, action::poll, 1);
    at.must_leave_bandwidth([&](const std::stop_token& stop) {
        while (!stop.stop_requested())
            for (const auto& pair : open) {
                auto& tx = pair.ours->page().tx;
                tx.ours.store(tx.index + 1);
                pair.ours->kick();
                tx.index += 1; // the victim may have taken it
                tx.ours.store(tx.index);
                std::this_thread::yield();
                while (tx.space() == 0 && !stop.stop_requested())
                    pair.ours->kick();
            }
    });
}

// Single bytes, as fast as they are taken.
void single_bytes(arena& at) {
    const auto open = open_some(at, action::receive, 1);
    at.must_leave_bandwidth([&](const std::stop_token& stop) {
        const std::uint8_t byte = 1;
        while (!stop.stop_requested())
            for (const auto& pair : open) {
                pair.ours->try_send({&byte, 1});
                pair.ours->kick();
            }
    });
}

// Messages that are ignored, as many as the ring takes.
void messages(arena& at, std::uint8_t op) {
    at.must_leave_bandwidth([&](const std::stop_token& stop) {
        auto& tx = at.peer_link.page().tx;
        message what;
        what.op = op;
        what.id = 0x7fffffff;
        while (!stop.stop_requested()) {
            while (tx.space() >= sizeof what)
                tx.write(&what, sizeof what);
            at.peer_link.kick();
        }
    });
}

// Events for a vchan that no connection uses.
void idle_events(arena& at) {
    const by_hand hand(at.peer_link);
    connection ours(at.peer_link, service_port(action::hang_up));
    ours.connect();
    require(ours.close_for_next(), "the victim does not keep a vchan");
    at.must_leave_bandwidth([&](const std::stop_token& stop) {
        while (!stop.stop_requested())
            ours.kick();
    });
    at.must_release(ours.request().ring_ref);
}

// Requests, never more than the window allows.
void requests(arena& at, std::uint32_t port, void (*spoil)(message&)) {
    connection ours(at.peer_link, port);
    at.must_leave_bandwidth([&](const std::stop_token& stop) {
        unsigned on_the_way = 0;
        while (!stop.stop_requested()) {
            while (on_the_way < request_window) {
                auto request = ours.request();
                request.id = at.peer_link.new_id();
                spoil(request);
                at.peer_link.send(request);
                ++on_the_way;
            }
            at.peer_link.receive();
            const auto answered = static_cast<unsigned>(at.peer_link.messages_waiting());
            at.peer_link.forget_messages();
            on_the_way -= std::min(on_the_way, answered);
            if (answered == 0)
                at.peer_link.event().wait(5ms);
        }
        // What is on the way is answered before the link is used honestly.
        std::this_thread::sleep_for(50ms);
        at.peer_link.receive();
        at.peer_link.forget_messages();
    });
}

// Connected and closed, in the honest way, without a pause.
void connect_and_close(arena& at) {
    unsigned count = 0;
    at.must_leave_bandwidth([&](const std::stop_token& stop) {
        for (; !stop.stop_requested(); ++count) {
            connection ours(at.peer_link, service_port(action::hang_up));
            ours.connect();
            ours.close();
        }
    });
    fmt::print("    {} connections\n", count);
}

void states(arena& at) {
    auto& peer = at.peer_link;
    peer.drop();
    const auto write_to = [&peer](const std::string& key) {
        return [&peer, path = peer.our_key(key)](const std::stop_token& stop) {
            for (unsigned round = 0; !stop.stop_requested(); ++round)
                peer.xenstore().write(path, std::to_string(1 + round % 6));
        };
    };
    // That xenstored is busy is no harm done by the victim.
    at.must_leave_bandwidth(write_to("state"), write_to("nothing"));
    peer.xenstore().remove(peer.our_key("nothing"));
}

} // namespace

std::vector<attack> storm_attacks() {
    std::vector<attack> list;
    const auto add = [&list](std::string name, std::function<void(arena&)> run,
                             link_fate fate = link_fate::survives, int lines = 100) {
        list.push_back({"storm." + std::move(name), fate, std::move(run), lines});
    };
    add("control-events", control_events);
    add("data-events", data_events);
    add("idle-events", idle_events);
    add("live-flips", live_flips);
    add("index-flips", index_flips);
    add("single-bytes", single_bytes);
    add("answers-to-nothing", [](arena& at) { messages(at, op::response); });
    add("requests-refused", [](arena& at) { requests(at, port_nobody, [](message&) {}); });
    add("requests-malformed", [](arena& at) {
        requests(at, service_port(action::echo), [](message& request) { request.type = 77; });
    });
    add("requests-unmappable", [](arena& at) {
        requests(at, service_port(action::echo), [](message& request) { request.ring_ref += 5000; });
    });
    add("connect-and-close", connect_and_close);
    add("states", states, link_fate::either);
    return list;
}

} // namespace xvsock::hostile
