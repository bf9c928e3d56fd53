// SPDX-License-Identifier: MIT
// Large rings (section 5): messages about them that are not due, pages that are not there, moves that never
// were.
#include "attack.hpp"

#include <cerrno>
#include <random>
#include <thread>

#include <fmt/format.h>

namespace xvsock::hostile {

namespace {

constexpr std::initializer_list<int> broken{ECONNRESET, EPIPE, ENOMEM, EPROTO};

// A GROW of ours for a ring of this order, whose list may be spoilt before it is sent.
message offered_ring(connection& ours, direction which, std::uint16_t order) {
    auto grow = ours.about(op::grow, which, order);
    grow.ring_ref = ours.grant_ring(which, order).refs().front();
    return grow;
}

message next_grown(arena& at, const connection& ours) {
    const auto grown = at.peer_link.next({op::grown}, ours.id(), patience);
    require(grown.has_value(), "the victim does not answer GROW");
    return *grown;
}

// What is behind GROW cannot be mapped: the victim says so, and stays with the small ring.
void must_refuse_ring(arena& at, arena::pair& pair, const message& grow, std::uint32_t reason) {
    at.peer_link.send(grow);
    const auto grown = next_grown(at, *pair.ours);
    require(grown.reason == reason, fmt::format("GROWN with reason {}, not {}", grown.reason, reason));
    at.must_go_on(pair);
    std::vector<std::uint8_t> data(900, 'g');
    require(pair.ours->send(data, patience) && pair.ours->receive(data, patience),
            "the victim does not echo any more");
}

void bad_list_entry(arena& at, direction which, std::size_t entry, grant_ref value) {
    auto pair = at.connected(true, action::echo);
    const auto grow = offered_ring(*pair.ours, which, 14);
    index_field(pair.ours->ring(which).data(), 4 * entry).store(value);
    must_refuse_ring(at, pair, grow, reason::invalid);
}

void bad_first_page(arena& at, grant_ref ref) {
    auto pair = at.connected(true, action::echo);
    auto grow = offered_ring(*pair.ours, direction::right, 12);
    grow.ring_ref = ref;
    must_refuse_ring(at, pair, grow, reason::invalid);
}

// A page that was granted to dom0, first in the list and first page of the ring.
void foreign_ring(arena& at) {
    auto pair = at.connected(true, action::echo);
    const granted_pages foreign(0, 1);
    auto grow = offered_ring(*pair.ours, direction::left, 13);
    index_field(pair.ours->ring(direction::left).data(), 4).store(foreign.refs().front());
    must_refuse_ring(at, pair, grow, reason::invalid);
    // Refused, the direction may be offered again after a second.
    std::this_thread::sleep_for(1100ms);
    grow.ring_ref = foreign.refs().front();
    must_refuse_ring(at, pair, grow, reason::invalid);
}

// The victim writes to left, so read-only is not enough.
void read_only_left_ring(arena& at) {
    auto pair = at.connected(true, action::echo);
    const granted_pages ring(at.peer_link.victim(), 1, access::read_only);
    index_field(ring.data(), 0).store(ring.refs().front());
    auto grow = pair.ours->about(op::grow, direction::left, 12);
    grow.ring_ref = ring.refs().front();
    must_refuse_ring(at, pair, grow, reason::invalid);
}

void revoked_before(arena& at) {
    auto pair = at.connected(true, action::echo);
    const auto grow = offered_ring(*pair.ours, direction::right, 13);
    pair.ours->revoke_rings();
    must_refuse_ring(at, pair, grow, reason::invalid);
}

void revoked_while_mapped(arena& at) {
    const auto pair = at.connected(true, action::both);
    for (const auto which : {direction::left, direction::right}) {
        at.peer_link.send(offered_ring(*pair.ours, which, 14));
        require(next_grown(at, *pair.ours).reason == reason::none, "the victim does not map a good ring");
    }
    pair.ours->revoke_rings();
    for (int round = 0; round < 50; ++round) {
        pair.ours->kick();
        std::this_thread::sleep_for(1ms);
    }
    pair.ours->set_live(live::reset);
    at.must_end(pair.socket);
}

// One page again and again, in its own list and as the connection's page besides: mapped as often as asked,
// and good for nothing but rubbish, which is ours.
void repeated_page(arena& at, direction which) {
    const auto pair = at.connected(true, action::both);
    auto grow = offered_ring(*pair.ours, which, 15);
    auto& ring = pair.ours->ring(which);
    for (std::size_t i = 1; i < 8; ++i)
        index_field(ring.data(), 4 * i).store(i % 2 == 0 ? grow.ring_ref : pair.ours->request().ring_ref);
    at.peer_link.send(grow);
    next_grown(at, *pair.ours);
    pair.ours->ring_is_ready(which);
    std::vector<std::uint8_t> data(20000, 0xa5);
    for (int round = 0; round < 50; ++round) {
        pair.ours->try_send(data);
        pair.ours->try_receive(data);
        pair.ours->kick();
    }
    pair.ours->set_live(live::reset);
    at.must_end(pair.socket);
}

// The list changes while the victim copies it.
void list_rewritten(arena& at) {
    for (int round = 0; round < 20; ++round) {
        const auto pair = at.connected(true, action::receive);
        const auto grow = offered_ring(*pair.ours, direction::right, 16);
        auto& ring = pair.ours->ring(direction::right);
        const auto good = ring.refs();
        const std::jthread scribbler([&](const std::stop_token& stop) {
            while (!stop.stop_requested())
                for (std::size_t i = 0; i < good.size(); ++i) {
                    index_field(ring.data(), 4 * i).store(0xffffffff);
                    index_field(ring.data(), 4 * i).store(good[i]);
                }
        });
        at.peer_link.send(grow);
        next_grown(at, *pair.ours);
        pair.ours->set_live(live::closed);
        at.must_end(pair.socket);
    }
}

// The orders and directions that a message about a ring must not have.
void bad_order(arena& at, bool as_initiator, std::uint8_t op) {
    constexpr std::pair<std::uint16_t, std::uint16_t> orders[] = {{0, 0},  {12, 12}, {10, 0},   {0, 11},
                                                                  {21, 0}, {0, 255}, {65535, 0}};
    for (const auto& [left, right] : orders) {
        const auto pair = at.connected(as_initiator, action::receive);
        auto what = pair.ours->answer(op);
        what.left_order = left;
        what.right_order = right;
        at.peer_link.send(what);
        at.must_end(pair.socket, broken);
    }
}

void not_due(arena& at, bool as_initiator, std::uint8_t op, int times) {
    const auto pair = at.connected(as_initiator, action::receive);
    auto what = pair.ours->about(op, direction::right, 13);
    if (op == op::grow)
        what = offered_ring(*pair.ours, direction::right, 13);
    for (int i = 0; i < times; ++i)
        at.peer_link.send(what);
    at.must_end(pair.socket, broken);
}

// The acceptor wishes before there is a connection.
void want_before_response(arena& at) {
    const auto pair = at.connecting(action::receive);
    at.peer_link.send(pair.ours->about(op::want, direction::left, 14));
    pair.ours->accept();
    at.must_end(pair.socket);
}

// Wishes without end: one ring is offered, and as little as possible besides.
void wants_without_end(arena& at) {
    const auto pair = at.connected(false, action::idle);
    for (std::uint16_t round = 0; round < 500; ++round)
        at.peer_link.send(pair.ours->about(op::want, round % 2 == 0 ? direction::left : direction::right,
                                           static_cast<std::uint16_t>(order_page + round % 9)));
    at.must_go_on(pair);
    std::this_thread::sleep_for(50ms);
    int offers = 0;
    while (at.peer_link.take({op::grow}, pair.ours->id()))
        ++offers;
    require(offers == 2, fmt::format("the victim sends {} GROW", offers));
    pair.ours->close();
}

// Messages about connections that there are not.
void about_nothing(arena& at) {
    for (std::uint32_t i = 0; i < 200; ++i) {
        message what;
        what.op = static_cast<std::uint8_t>(op::want + i % 3);
        what.id = 0x40000000 + i;
        what.left_order = 13;
        at.peer_link.send(what);
    }
}

// The writer says that it has moved.
void false_move(arena& at, bool as_initiator, bool with_ring, std::uint32_t distance) {
    const auto pair = at.connected(as_initiator, action::receive);
    auto& ours = *pair.ours;
    auto& tx = ours.page().tx;
    const std::vector<std::uint8_t> data(600, 'm');
    require(ours.send(data, patience), "the victim does not read");
    if (with_ring) {
        // The victim's reader gets a ring: as acceptor it maps ours, as initiator it offers one.
        if (as_initiator) {
            at.peer_link.send(offered_ring(ours, direction::right, 14));
            require(next_grown(at, ours).reason == reason::none, "the victim does not map a good ring");
        } else {
            at.peer_link.send(ours.about(op::want, direction::left, 14));
            require(at.peer_link.next({op::grow}, ours.id(), patience).has_value(),
                    "the victim does not grow");
        }
    }
    tx.moved_at.store(tx.index + distance);
    tx.moved.store(1);
    tx.ours.store(tx.index + 64);
    ours.kick();
    at.must_end(pair.socket, broken);
}

// Moved for good, and then the words change all the time.
void move_rewritten(arena& at, bool as_initiator) {
    const auto pair = at.connected(as_initiator, action::receive);
    auto& ours = *pair.ours;
    auto& tx = ours.page().tx;
    const auto which = ours.writes();
    if (as_initiator) {
        at.peer_link.send(offered_ring(ours, which, 14));
        require(next_grown(at, ours).reason == reason::none, "the victim does not map a good ring");
    } else {
        at.peer_link.send(ours.about(op::want, which, 14));
        const auto grow = at.peer_link.next({op::grow}, ours.id(), patience);
        require(grow && grow->reason == reason::none, "the victim does not grow");
        ours.map_ring(which, *grow);
        at.peer_link.send(ours.about(op::grown, which, grow->left_order));
    }
    ours.ring_is_ready(which);
    std::vector<std::uint8_t> data(5000, 'w');
    std::uint64_t sent = 0;
    std::mt19937 random(12);
    for (int round = 0; round < 400; ++round) {
        sent += ours.try_send(data);
        ours.kick();
        tx.moved.store(static_cast<std::uint32_t>(random()));
        tx.moved_at.store(static_cast<std::uint32_t>(random()));
        tx.limit.store(static_cast<std::uint32_t>(random()));
        if (round % 10 == 0)
            std::this_thread::sleep_for(1ms);
    }
    ours.set_live(live::closed);
    const auto result = at.must_end(pair.socket);
    require(result.error != 0 || result.bytes == sent,
            fmt::format("the victim read {} of {} bytes", result.bytes, sent));
}

// Refuses the ring that the victim would read from, then has it offered again with a larger order than its
// pages have, moves there, and lets the victim read beyond their end.
void larger_than_its_pages(arena& at) {
    const auto pair = at.connected(false, action::receive);
    auto& ours = *pair.ours;
    auto& tx = ours.page().tx;
    at.peer_link.send(ours.about(op::want, direction::left, order_page));
    auto grow = at.peer_link.next({op::grow}, ours.id(), patience);
    require(grow && grow->reason == reason::none && grow->left_order == order_page,
            "the victim does not grow");
    auto refusal = ours.about(op::grown, direction::left, order_page);
    refusal.reason = reason::out_of_memory;
    at.peer_link.send(refusal);
    std::this_thread::sleep_for(1200ms);
    at.peer_link.send(ours.about(op::want, direction::left, 17));
    grow = at.peer_link.next({op::grow}, ours.id(), patience);
    require(grow.has_value(), "the victim does not offer again");
    if (grow->reason != reason::none || grow->left_order == order_page) {
        pair.ours->close();
        return; // as small as it was, or refused
    }
    // A ring of that order may be a new one; then its list has as many pages, and they can be mapped.
    bool complete = true;
    try {
        ours.map_ring(direction::left, *grow);
    } catch (const std::exception&) {
        complete = false;
    }
    require(complete,
            fmt::format("the victim offers a ring of order {} whose pages are not there", grow->left_order));
    tx.moved_at.store(tx.index);
    tx.moved.store(1);
    tx.ours.store(tx.index + 8192);
    ours.kick();
    std::this_thread::sleep_for(100ms);
    ours.set_live(live::reset);
    at.must_end(pair.socket);
}

// GROW at the very moment in which the request is refused, or the connection closed.
void races_with_end(arena& at, std::uint32_t port, std::uint8_t first_live) {
    for (unsigned round = 0; round < 150; ++round) {
        connection ours(at.peer_link, port);
        ours.page().our_live.store(first_live);
        auto left = offered_ring(ours, direction::left, 13);
        auto right = offered_ring(ours, direction::right, 13);
        at.peer_link.send(ours.request());
        at.peer_link.kick();
        const auto pause = std::chrono::steady_clock::now() + std::chrono::microseconds(round * 3);
        while (std::chrono::steady_clock::now() < pause)
            ;
        at.peer_link.send(left);
        at.peer_link.send(right);
        const auto answer = at.peer_link.next_answer(ours.id(), patience);
        require(answer.has_value(), "the victim does not answer a REQUEST");
        if (answer->op == op::response) {
            ours.set_live(live::closed);
            require(at.peer_link.next_answer(ours.id(), patience).has_value(), "no RESET from the victim");
        }
    }
}

// The reader's limit, with every value it can have, while the victim writes.
void limit_flips(arena& at, bool as_initiator) {
    auto pair = at.connected(as_initiator, action::send);
    auto& rx = pair.ours->page().rx;
    std::vector<std::uint8_t> buffer(65536);
    std::mt19937 random(8);
    for (int round = 0; round < 3000; ++round) {
        rx.limit.store(static_cast<std::uint32_t>(random() >> (random() % 32)));
        pair.ours->try_receive(buffer);
        pair.ours->kick();
        if (round % 16 == 0)
            pair.ours->serve();
    }
    at.must_go_on(pair);
    pair.ours->set_live(live::reset);
    at.must_end(pair.socket);
}

// The victim would grow, and gets no answer: its bytes flow through the small ring all the same.
void never_answers(arena& at, bool as_initiator) {
    const auto pair = at.connected(as_initiator, action::send);
    std::vector<std::uint8_t> buffer(4096);
    std::size_t got = 0;
    const auto end = std::chrono::steady_clock::now() + patience;
    while (got < 100'000 && std::chrono::steady_clock::now() < end) {
        got += pair.ours->try_receive(buffer);
        pair.ours->page().asked_of_peer.set_bits(tell_when_written);
        if (pair.ours->page().rx.filled() == 0)
            pair.ours->event().wait(5ms);
    }
    require(got >= 100'000, fmt::format("only {} bytes came", got));
    pair.ours->set_live(live::closed);
    at.must_end(pair.socket);
}

// Large rings for more connections than the module's parameter max_ring_pages allows.
void beyond_budget(arena& at) {
    constexpr unsigned budget = 2048;
    const module_parameter lowered(at.victim, "max_ring_pages", budget);
    std::vector<arena::pair> open;
    // Our own kernel lets us grant 1,024 pages; so all rings are the same pages.
    const granted_pages pages(at.peer_link.victim(), ring_pages(order_max));
    std::memcpy(pages.data(), pages.refs().data(), pages.refs().size() * sizeof(grant_ref));
    unsigned mapped = 0;
    for (int i = 0; i < 10; ++i) {
        open.push_back(at.connected(true, action::idle));
        auto grow = open.back().ours->about(op::grow, direction::right, order_max);
        grow.ring_ref = pages.refs().front();
        at.peer_link.send(grow);
        const auto grown = next_grown(at, *open.back().ours);
        require(grown.reason == reason::none || grown.reason == reason::limit,
                fmt::format("GROWN with reason {}", grown.reason));
        mapped += grown.reason == reason::none ? 1 : 0;
    }
    require(mapped == budget / ring_pages(order_max), fmt::format("{} of 10 rings are mapped", mapped));
}

} // namespace

std::vector<attack> growth_attacks() {
    std::vector<attack> list;
    const auto add = [&list](std::string name, std::function<void(arena&)> run,
                             link_fate fate = link_fate::survives) {
        list.push_back({"growth." + std::move(name), fate, std::move(run)});
    };
    for (const std::size_t entry : {0U, 1U, 3U})
        for (const grant_ref value : {0U, 0xffffffffU})
            for (const auto which : {direction::left, direction::right})
                add(fmt::format("{}-entry-{}-is-{:x}", which == direction::left ? "left" : "right", entry,
                                value),
                    [=](arena& at) { bad_list_entry(at, which, entry, value); });
    for (const grant_ref ref : {0U, 30000U, 0xffffffffU})
        add(fmt::format("first-page-{:x}", ref), [=](arena& at) { bad_first_page(at, ref); });
    add("foreign-ring", foreign_ring);
    add("left-ring-read-only", read_only_left_ring);
    add("revoked-before", revoked_before);
    add("revoked-while-mapped", revoked_while_mapped);
    add("left-ring-repeats-page", [](arena& at) { repeated_page(at, direction::left); });
    add("right-ring-repeats-page", [](arena& at) { repeated_page(at, direction::right); });
    add("list-rewritten", list_rewritten);
    add("grow-bad-order", [](arena& at) { bad_order(at, true, op::grow); });
    add("grown-bad-order", [](arena& at) { bad_order(at, false, op::grown); });
    add("want-bad-order", [](arena& at) { bad_order(at, false, op::want); });
    add("grow-twice", [](arena& at) { not_due(at, true, op::grow, 2); });
    add("grown-for-nothing", [](arena& at) { not_due(at, false, op::grown, 1); });
    add("want-before-response", want_before_response);
    add("wants-without-end", wants_without_end);
    add("about-nothing", about_nothing);
    for (const bool initiator : {true, false}) {
        const std::string side = initiator ? "initiator-" : "acceptor-";
        add(side + "moves-without-ring", [=](arena& at) { false_move(at, initiator, false, 0); });
        add(side + "moves-far-ahead", [=](arena& at) { false_move(at, initiator, true, 0x10000); });
        add(side + "moves-behind", [=](arena& at) { false_move(at, initiator, true, 0xffffffff - 4000); });
        add(side + "move-rewritten", [=](arena& at) { move_rewritten(at, initiator); });
        add(side + "limit-flips", [=](arena& at) { limit_flips(at, initiator); });
        add(side + "never-answers", [=](arena& at) { never_answers(at, initiator); });
    }
    add("larger-than-its-pages", larger_than_its_pages);
    add("races-with-refusal",
        [](arena& at) { races_with_end(at, service_port(action::echo), live::closed); });
    add("races-with-full-backlog", [](arena& at) {
        const auto waiting = at.fill_backlog(); // so that all are refused, late
        races_with_end(at, port_never_accepted, live::open);
        at.victim.close_all(at.own_cid); // makes the listener anew
    });
    add("races-with-close", [](arena& at) { races_with_end(at, service_port(action::hang_up), live::open); });
    add("beyond-budget", beyond_budget);
    return list;
}

} // namespace xvsock::hostile
