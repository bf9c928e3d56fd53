// SPDX-License-Identifier: MIT
// Closes, of connections and of the link, that are not what they should be.
#include "attack.hpp"

#include <cerrno>
#include <thread>

#include <fmt/format.h>

namespace xvsock::hostile {

namespace {

// RESET without a word in the live byte: the peer says that it has unmapped, so nothing more will come.
void reset_without_close(arena& at, action what) {
    const auto pair = at.connected(false, what);
    pair.ours->send_reset();
    at.must_end(pair.socket, {0, ECONNRESET, EPIPE, ENOMEM});
}

// And then goes on in the pages that it has not unmapped.
void writes_after_reset(arena& at) {
    const auto pair = at.connected(false, action::receive);
    pair.ours->set_live(live::closed);
    pair.ours->send_reset();
    at.must_end(pair.socket, {0});
    at.victim.close_all(at.own_cid);
    for (int round = 0; round < 2000; ++round) {
        std::memset(pair.ours->page().memory, round, page_size);
        pair.ours->kick();
    }
}

// Keeps the pages of many connections mapped after it has said that it has not.
void keeps_pages(arena& at) {
    std::vector<arena::pair> kept;
    for (int i = 0; i < 10; ++i) {
        kept.push_back(at.connected(false, action::receive));
        kept.back().ours->set_live(live::closed);
        kept.back().ours->send_reset();
        at.must_end(kept.back().socket, {0});
    }
    at.victim.close_all(at.own_cid);
    for (const auto& one : kept)
        std::memset(one.ours->page().memory, 0xee, page_size);
}

// The victim has closed, and is never told that it may forget.
void never_resets(arena& at) {
    std::vector<arena::pair> kept;
    for (int i = 0; i < 20; ++i) {
        kept.push_back(at.connected(false, action::receive));
        kept.back().ours->leave_without_reset();
    }
    at.victim.close_all(at.own_cid);
    // Their connections are parted from them by a work.
    const auto end = std::chrono::steady_clock::now() + patience;
    while (at.victim.check().module_references != 0)
        require(std::chrono::steady_clock::now() < end, "closed sockets hold the module");
    at.peer_link.drop();
}

// As initiator: what we close, the victim must give back, whatever its program does.
void initiator_closes(arena& at, action what, int error) {
    const auto pair = at.connected(true, what);
    pair.ours->set_live(live::closed);
    at.must_end(pair.socket, {error});
    at.victim.close_all(at.own_cid);
    require(at.peer_link.next_answer(pair.ours->request().id, patience).has_value(),
            "no RESET from the victim");
}

// What was sent before the end of the link is lost or not, but the end comes.
void link_ends(arena& at, bool orderly) {
    std::vector<arena::pair> open;
    for (const auto what : {action::receive, action::send, action::both, action::poll, action::fill})
        for (const bool initiator : {true, false})
            open.push_back(at.connected(initiator, what));
    if (orderly)
        at.peer_link.drop();
    else
        at.peer_link.say(bus_state::closing);
    for (const auto& pair : open)
        at.must_end(pair.socket, {ECONNRESET, EPIPE, ENOMEM});
}

// Sent and closed in the ordinary way before the link went: stays readable.
void link_ends_after_close(arena& at) {
    std::vector<arena::pair> open;
    for (const bool initiator : {true, false})
        open.push_back(at.connected(initiator, action::late));
    // The victim's own connect() has to be over, or it is that which fails.
    const auto established = fmt::format(
        "grep -c 'cid={} .*state=established' /sys/kernel/debug/xvsock/connections || true", at.own_cid);
    const auto end = std::chrono::steady_clock::now() + patience;
    while (std::stoi(at.victim.run(established)) < 2)
        require(std::chrono::steady_clock::now() < end, "the victim's sockets are not connected");
    const std::vector<std::uint8_t> data(900, 'z');
    for (const auto& pair : open) {
        require(pair.ours->send(data, patience), "the ring has no room");
        pair.ours->set_live(live::closed);
    }
    at.peer_link.drop();
    for (const auto& pair : open)
        require(at.must_end(pair.socket, {0}).bytes == data.size(), "bytes sent before the close are lost");
}

// What is sent after the close is never read, for it could go on for ever.
void sends_after_close(arena& at, bool initiator) {
    const std::vector<std::uint8_t> data(400, 'z');
    outcome result;
    // Whether the victim has seen the close before the rest comes, only time can tell.
    for (auto pause = 50ms; pause < 2s; pause *= 2) {
        const auto pair = at.connected(initiator, action::late);
        require(pair.ours->send(data, patience), "the ring has no room");
        pair.ours->set_live(live::closed);
        std::this_thread::sleep_for(pause);
        pair.ours->try_send(data);
        result = at.must_end(pair.socket, {0});
        at.victim.close_all(at.own_cid);
        if (result.bytes == data.size())
            return;
    }
    fail(fmt::format("the victim reads {} bytes, of which {} came before the close", result.bytes,
                     data.size()));
}

// dom0 withdraws the port: the connection goes, though we have closed it and the victim's program has not.
void forbidden_after_close(arena& at) {
    const auto pair = at.connected(true, action::idle);
    require(pair.ours->send(std::vector<std::uint8_t>(400, 'f'), patience), "the ring has no room");
    pair.ours->set_live(live::closed);
    const auto accept = at.peer_link.their_key("accept");
    at.dom0.run(fmt::format("xenstore-write {} none", accept));
    const auto answer = at.peer_link.next_answer(pair.ours->id(), patience);
    at.dom0.run(fmt::format("xenstore-rm {}", accept));
    require(answer && answer->op == op::reset, "the victim keeps a connection at a port that is withdrawn");
}

// The victim connects at the moment in which the link goes.
void link_ends_while_connecting(arena& at) {
    const auto pair = at.connecting(action::receive);
    at.peer_link.drop();
    const auto result = at.must_end(pair.socket);
    require(result.connect_error == ECONNRESET || result.connect_error == EHOSTUNREACH,
            fmt::format("connect() fails with {}", result.connect_error));
}

// A new link while all pages of the old one, and of its connections, are still mapped here.
void new_link_over_old(arena& at) {
    std::vector<arena::pair> open;
    for (int i = 0; i < 5; ++i)
        open.push_back(at.connected(i % 2 == 0, action::both));
    at.peer_link.make();
    for (const auto& pair : open) {
        at.must_end(pair.socket, {ECONNRESET, EPIPE, ENOMEM});
        std::memset(pair.ours->page().memory, 0x55, page_size);
        pair.ours->kick();
    }
}

// Our event channel goes, the connection stays: the victim kicks nobody, and hears nothing.
void port_closed_under_way(arena& at, bool initiator) {
    const auto pair = at.connected(initiator, action::both);
    pair.ours->close_port();
    const std::vector<std::uint8_t> data(900, 'p');
    for (int round = 0; round < 50; ++round) {
        pair.ours->try_send(data);
        std::this_thread::sleep_for(1ms);
    }
    at.must_go_on(pair);
    at.peer_link.drop();
    at.must_end(pair.socket, {ECONNRESET, EPIPE, ENOMEM});
}

} // namespace

std::vector<attack> ending_attacks() {
    std::vector<attack> list;
    const auto add = [&list](std::string name, std::function<void(arena&)> run,
                             link_fate fate = link_fate::survives) {
        list.push_back({"ending." + std::move(name), fate, std::move(run)});
    };
    for (const auto what : {action::receive, action::send, action::poll})
        add(fmt::format("reset-without-close-{}", action_names[static_cast<int>(what)]),
            [=](arena& at) { reset_without_close(at, what); });
    add("writes-after-reset", writes_after_reset);
    add("keeps-pages", keeps_pages);
    add("never-resets", never_resets, link_fate::falls);
    add("initiator-closes-receiver", [](arena& at) { initiator_closes(at, action::receive, 0); });
    add("initiator-closes-sender", [](arena& at) { initiator_closes(at, action::send, EPIPE); });
    add(
        "link-closed", [](arena& at) { link_ends(at, true); }, link_fate::falls);
    add(
        "link-closing", [](arena& at) { link_ends(at, false); }, link_fate::falls);
    for (const bool initiator : {true, false})
        add(fmt::format("sends-after-close-{}", initiator ? "initiator" : "acceptor"),
            [=](arena& at) { sends_after_close(at, initiator); });
    add("forbidden-after-close", forbidden_after_close);
    add("link-ends-after-close", link_ends_after_close, link_fate::falls);
    add("link-ends-while-connecting", link_ends_while_connecting, link_fate::falls);
    add("new-link-over-old", new_link_over_old, link_fate::either);
    for (const bool initiator : {true, false})
        add(
            fmt::format("port-closed-{}", initiator ? "initiator" : "acceptor"),
            [=](arena& at) { port_closed_under_way(at, initiator); }, link_fate::falls);
    return list;
}

} // namespace xvsock::hostile
