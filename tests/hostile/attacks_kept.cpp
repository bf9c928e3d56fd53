// SPDX-License-Identifier: MIT
// Vchans that wait for the next connection: which are kept, used again and released, and by whom.
#include "attack.hpp"

#include <cerrno>
#include <thread>

#include <fmt/format.h>

namespace xvsock::hostile {

namespace {

// -- we are the initiator: the victim keeps a vchan of ours ----------------------------------------------

// One that has had a connection, and is ready for the next, whose socket in the victim is to do `what`.
std::unique_ptr<connection> kept_by_victim(arena& at, action what = action::echo) {
    auto ours = std::make_unique<connection>(at.peer_link, service_port(action::hang_up));
    ours->connect();
    require(ours->close_for_next(), "the victim does not keep a vchan");
    ours->aim_at(service_port(what));
    return ours;
}

void released_twice(arena& at) {
    const by_hand hand(at.peer_link);
    const auto ours = kept_by_victim(at);
    const auto before = at.victim.check();
    at.must_release(ours->request().ring_ref);
    for (int i = 0; i < 20; ++i)
        at.peer_link.send(vchan_message(op::release, ours->request().ring_ref));
    at.must_echo();
    require(at.victim.check().violations >= before.violations + 20, "the module counts no violation");
}

// RELEASED finds no room, for we read nothing: until it does, the vchan is in use by nobody.
void released_without_room(arena& at) {
    const by_hand hand(at.peer_link);
    const auto ours = kept_by_victim(at);
    const connection stranger(at.peer_link, port_nobody);
    auto& answers = at.peer_link.page().rx;
    while (answers.filled() + sizeof(message) <= answers.size) {
        const auto before = answers.filled();
        auto request = stranger.request();
        request.id = at.peer_link.new_id();
        at.peer_link.send(request);
        const auto end = std::chrono::steady_clock::now() + patience;
        while (answers.filled() == before) {
            require(std::chrono::steady_clock::now() < end, "the victim does not answer a REQUEST");
            std::this_thread::sleep_for(1ms);
        }
    }
    at.peer_link.send(vchan_message(op::release, ours->request().ring_ref));
    for (int tick = 0; tick < 40; ++tick) {
        const auto connections = at.victim.check().connections;
        require(connections == 0, fmt::format("the victim counts {} connections", connections));
        std::this_thread::sleep_for(10ms);
    }
    require(at.peer_link.next({op::released}, link::any_id, patience).has_value(),
            "the victim does not release the vchan");
}

// The page of an open connection, of no connection, and none at all.
void release_of_what_is_not_kept(arena& at) {
    const by_hand hand(at.peer_link);
    const auto before = at.victim.check();
    const auto pair = at.connected(true, action::receive);
    for (const grant_ref ref : {pair.ours->request().ring_ref, grant_ref{0xffffffff}, grant_ref{0}})
        at.peer_link.send(vchan_message(op::release, ref));
    const std::vector<std::uint8_t> data(900, 'r');
    require(pair.ours->send(data, patience), "the victim stops reading");
    at.must_go_on(pair);
    require(at.victim.check().violations >= before.violations + 3, "the module counts no violation");
    pair.ours->set_live(live::closed);
    at.must_end(pair.socket, {0});
    at.victim.close_all(at.own_cid);
    require(pair.ours->close_for_next(), "the victim does not keep the vchan");
    at.must_release(pair.ours->request().ring_ref);
}

// RELEASE and the REQUEST that uses the vchan, in both orders, at once.
void released_and_requested(arena& at, bool released_first) {
    const by_hand hand(at.peer_link);
    for (int round = 0; round < 10; ++round) {
        const auto ours = kept_by_victim(at);
        const auto release = vchan_message(op::release, ours->request().ring_ref);
        if (released_first)
            at.peer_link.send(release);
        at.peer_link.send(ours->request());
        if (!released_first)
            at.peer_link.send(release);
        const auto answer = at.peer_link.next_answer(ours->id(), patience);
        require(answer.has_value(), "the victim does not answer a REQUEST");
        ours->set_live(live::closed);
        if (answer->op == op::response)
            require(at.peer_link.next({op::reset}, ours->id(), patience).has_value(), "no RESET");
        at.peer_link.send(release);
    }
    at.peer_link.drop();
}

// A kept page with a port that does not belong to it.
void kept_page_with_another_port(arena& at) {
    const by_hand hand(at.peer_link);
    const auto ours = kept_by_victim(at);
    auto request = ours->request();
    request.event_channel += 1;
    at.peer_link.send(request);
    const auto answer = at.peer_link.next_answer(request.id, patience);
    require(answer && answer->op == op::reset && answer->reason == reason::invalid,
            "the victim takes a port that does not belong to the page");
    require(answer->ring_ref == request.ring_ref, "the victim keeps the vchan no longer");
    at.must_release(request.ring_ref);
}

// Many requests for the same kept vchan.
void requested_by_many(arena& at) {
    const by_hand hand(at.peer_link);
    const auto ours = kept_by_victim(at, action::receive);
    std::vector<std::uint32_t> ids;
    for (unsigned i = 0; i < 8; ++i) {
        auto request = ours->request();
        request.id = at.peer_link.new_id();
        ids.push_back(request.id);
        at.peer_link.send(request);
    }
    unsigned accepted = 0;
    for (const auto id : ids) {
        const auto answer = at.peer_link.next_answer(id, patience);
        require(answer.has_value(), "the victim does not answer a REQUEST");
        accepted += answer->op == op::response ? 1 : 0;
    }
    require(accepted == 1, fmt::format("{} connections share one event channel", accepted));
    at.peer_link.drop();
}

// Of what a REQUEST with a kept vchan may be wrong in, the page is what was never looked at before.
void kept_page_is_garbage(arena& at) {
    const by_hand hand(at.peer_link);
    for (const int garbage : {0xff, 0x55, 0x01}) {
        const auto ours = kept_by_victim(at, action::receive);
        std::memset(ours->page().memory, garbage, page_size);
        at.peer_link.send(ours->request());
        const auto answer = at.peer_link.next_answer(ours->id(), patience);
        require(answer.has_value(), "the victim does not answer a REQUEST");
        ours->kick();
    }
    std::this_thread::sleep_for(100ms);
    at.peer_link.drop();
}

// The grant is gone while the victim has the page mapped, and the port is closed.
void kept_page_is_revoked(arena& at) {
    const by_hand hand(at.peer_link);
    const auto ours = kept_by_victim(at);
    const auto request = ours->request();
    ours->revoke_page();
    ours->close_port();
    at.peer_link.send(request);
    require(at.peer_link.next_answer(request.id, patience).has_value(), "the victim does not answer");
    at.peer_link.drop();
}

// We have no use for any, and do not say so.
void never_released(arena& at) {
    const by_hand hand(at.peer_link);
    std::vector<std::unique_ptr<connection>> ours;
    unsigned kept = 0;
    for (int i = 0; i < 40; ++i) {
        ours.push_back(std::make_unique<connection>(at.peer_link, service_port(action::hang_up)));
        ours.back()->connect();
        kept += ours.back()->close_for_next() ? 1 : 0;
    }
    const auto limit = std::stoul(at.victim.run("cat /sys/module/xen_vsock/parameters/max_idle"));
    require(kept == limit, fmt::format("the victim keeps {} vchans, its limit is {}", kept, limit));
    require(at.victim.check().data_channels == static_cast<int>(kept), "the victim keeps more than it says");
    at.peer_link.drop();
}

// -- we are the acceptor: we keep a vchan of the victim --------------------------------------------------

// A connection of the victim that has ended in the ordinary way, but for the RESET.
arena::pair ended_by_victim(arena& at) {
    auto pair = at.connected(false, action::receive);
    pair.ours->set_live(live::closed);
    at.must_end(pair.socket, {0});
    at.victim.close_all(at.own_cid);
    return pair;
}

void keeps_another_page(arena& at) {
    const by_hand hand(at.peer_link);
    const auto before = at.victim.check();
    for (const grant_ref strange : {grant_ref{1}, grant_ref{0xffffffff}, grant_ref{0}}) {
        const auto pair = ended_by_victim(at);
        const auto ref = pair.ours->request().ring_ref;
        pair.ours->release();
        pair.ours->send_reset(strange != 0 ? strange : ref + 1);
    }
    at.must_echo();
    require(at.victim.check().violations >= before.violations + 3, "the module counts no violation");
}

// The victim asks for its vchans back, and is not heard.
void keeps_for_ever(arena& at) {
    const by_hand hand(at.peer_link);
    std::vector<arena::pair> kept;
    for (int i = 0; i < 30; ++i) // at once, or the victim would use one for all
        kept.push_back(at.connected(false, action::receive));
    for (const auto& one : kept)
        one.ours->set_live(live::closed);
    for (const auto& one : kept)
        at.must_end(one.socket, {0});
    at.victim.close_all(at.own_cid);
    for (const auto& one : kept)
        one.ours->send_reset(one.ours->request().ring_ref);
    for (std::size_t i = 0; i < kept.size(); ++i)
        require(at.peer_link.next({op::release}, link::any_id, patience).has_value(),
                "not everything is asked back");
    for (int round = 0; round < 100; ++round)
        for (const auto& one : kept) {
            std::memset(one.ours->page().memory, round, page_size);
            one.ours->kick();
        }
    at.must_echo();
    at.peer_link.drop();
}

// RELEASED for what was not asked back, for what does not exist, and again.
void released_unasked(arena& at) {
    const by_hand hand(at.peer_link);
    const auto before = at.victim.check();
    const auto pair = ended_by_victim(at);
    const auto ref = pair.ours->request().ring_ref;
    pair.ours->send_reset(ref);
    for (const grant_ref strange : {ref, ref + 1, grant_ref{0xffffffff}, grant_ref{0}})
        at.peer_link.send(vchan_message(op::released, strange));
    pair.ours->release();
    at.must_ask_back(ref);
    for (int i = 0; i < 5; ++i)
        at.peer_link.send(vchan_message(op::released, ref));
    at.must_echo();
    require(at.victim.check().violations >= before.violations + 8, "the module counts no violation");
}

// We say that we have let go, and have not: the page is the kernel's then, until we do.
void released_and_kept(arena& at) {
    const by_hand hand(at.peer_link);
    std::vector<arena::pair> kept;
    for (int i = 0; i < 5; ++i) {
        kept.push_back(ended_by_victim(at));
        const auto ref = kept.back().ours->request().ring_ref;
        kept.back().ours->send_reset(ref);
        at.must_ask_back(ref);
    }
    for (const auto& one : kept)
        std::memset(one.ours->page().memory, 0xcc, page_size);
    at.must_echo();
    kept.clear();
    at.peer_link.drop();
}

// While the victim's next connection uses the page, the last one's owner goes on writing into it.
void writes_into_the_next(arena& at) {
    const by_hand hand(at.peer_link);
    const auto old = ended_by_victim(at);
    const auto ref = old.ours->request().ring_ref;
    unsigned again = 0;
    for (int round = 0; round < 5; ++round) {
        old.ours->send_reset(ref);
        std::this_thread::sleep_for(50ms);
        at.victim.connect(at.own_cid, 9000, action::receive);
        const auto request = at.peer_link.next_request(patience);
        require(request.has_value(), "the victim sends no REQUEST");
        if (request->ring_ref != ref)
            break; // it was asked back, on a slow machine
        ++again;
        old.ours->serve_next(*request);
        old.ours->accept();
        for (int i = 0; i < 500; ++i) {
            std::memset(old.ours->page().memory, i, page_size);
            old.ours->kick();
        }
        at.victim.close_all(at.own_cid);
    }
    require(again > 0, "the victim has no use for the vchan that we keep");
    at.peer_link.drop();
}

// A refusal says that we keep what the REQUEST offers.
void refuses_and_keeps(arena& at) {
    const by_hand hand(at.peer_link);
    auto pair = at.connecting(action::receive);
    const auto ref = pair.ours->request().ring_ref;
    auto refusal = pair.ours->answer(op::reset, reason::refused);
    refusal.ring_ref = ref;
    pair.ours->leave_without_reset();
    at.peer_link.send(refusal);
    require(at.must_end(pair.socket).connect_error == ECONNRESET, "connect() does not fail");
    at.victim.close_all(at.own_cid);
    pair.ours->release();
    at.must_ask_back(ref);
}

void malformed(arena& at, std::uint8_t op) {
    const auto before = at.victim.check();
    for (unsigned field = 0; field < 7; ++field) {
        auto what = vchan_message(op, 12345);
        switch (field) {
        case 0:
            what.id = 1;
            break;
        case 1:
            what.type = 1;
            break;
        case 2:
            what.src_port = 1;
            break;
        case 3:
            what.event_channel = 1;
            break;
        case 4:
            what.left_order = 12;
            break;
        case 5:
            what.reason = 1;
            break;
        default:
            what.ring_ref = 0;
        }
        at.peer_link.send(what);
    }
    at.must_echo();
    require(at.victim.check().violations >= before.violations + 7, "the module counts no violation");
}

} // namespace

std::vector<attack> kept_attacks() {
    std::vector<attack> list;
    const auto add = [&list](std::string name, std::function<void(arena&)> run,
                             link_fate fate = link_fate::survives) {
        list.push_back({"kept." + std::move(name), fate, std::move(run)});
    };
    add("released-twice", released_twice);
    add("released-without-room", released_without_room);
    add("release-of-what-is-not-kept", release_of_what_is_not_kept);
    add(
        "released-then-requested", [](arena& at) { released_and_requested(at, true); }, link_fate::falls);
    add(
        "requested-then-released", [](arena& at) { released_and_requested(at, false); }, link_fate::falls);
    add("with-another-port", kept_page_with_another_port);
    add("requested-by-many", requested_by_many, link_fate::falls);
    add("page-is-garbage", kept_page_is_garbage, link_fate::falls);
    add("page-is-revoked", kept_page_is_revoked, link_fate::falls);
    add("never-released", never_released, link_fate::falls);
    add("keeps-another-page", keeps_another_page);
    add("keeps-for-ever", keeps_for_ever, link_fate::falls);
    add("released-unasked", released_unasked);
    add("released-and-kept", released_and_kept, link_fate::falls);
    add("writes-into-the-next", writes_into_the_next, link_fate::falls);
    add("refuses-and-keeps", refuses_and_keeps);
    add("malformed-release", [](arena& at) { malformed(at, op::release); });
    add("malformed-released", [](arena& at) { malformed(at, op::released); });
    return list;
}

} // namespace xvsock::hostile
