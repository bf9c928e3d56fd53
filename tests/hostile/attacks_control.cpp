// SPDX-License-Identifier: MIT
// The control channel: its ring, and messages that nobody may send.
#include "attack.hpp"

#include <cerrno>
#include <random>
#include <thread>

#include <fmt/format.h>

namespace xvsock::hostile {

namespace {

constexpr std::size_t message_size = sizeof(message);

// Makes sure that the victim looks.
void publish(link& peer_link, std::uint32_t prod) {
    peer_link.page().tx.ours.store(prod);
    peer_link.kick();
}

void unknown_op(arena& at, std::uint8_t op) {
    message what;
    what.op = op;
    what.id = 1;
    at.peer_link.send(what);
    at.must_fall();
}

void unknown_version(arena& at, std::uint8_t version) {
    connection ours(at.peer_link, service_port(action::echo));
    auto request = ours.request();
    request.version = version;
    at.peer_link.send(request);
    at.must_fall();
}

void producer_index(arena& at, std::uint32_t distance) {
    auto& tx = at.peer_link.page().tx;
    publish(at.peer_link, tx.index + distance);
    at.must_fall();
}

void consumer_index(arena& at, std::uint32_t distance) {
    auto& rx = at.peer_link.page().rx;
    rx.ours.store(rx.theirs.load() + distance);
    at.peer_link.kick();
    at.must_fall();
}

// With connections open: they end, and their errno says that it was no orderly end.
void fall_with_connections(arena& at) {
    std::vector<arena::pair> open;
    for (const auto what : {action::receive, action::send, action::poll, action::fill, action::both})
        for (const bool initiator : {true, false})
            open.push_back(at.connected(initiator, what));
    publish(at.peer_link, at.peer_link.page().tx.index + 0x40000000);
    at.must_fall();
    for (const auto& pair : open)
        at.must_end(pair.socket, {ECONNRESET, EPIPE, ENOMEM});
}

// A part of a message is none; the rest may come at any time.
void truncated(arena& at) {
    connection ours(at.peer_link, service_port(action::echo));
    auto& tx = at.peer_link.page().tx;
    tx.place(&ours.request(), message_size);
    for (const std::uint32_t part : {1U, 8U, 31U}) {
        publish(at.peer_link, tx.index + part);
        require(!at.peer_link.next_answer(ours.request().id, 50ms), "a part of a message is answered");
    }
    tx.index += message_size;
    publish(at.peer_link, tx.index);
    const auto answer = at.peer_link.next_answer(ours.request().id, patience);
    require(answer && answer->op == op::response, "the whole message is not answered");
    ours.close();
}

void truncated_for_good(arena& at) {
    connection ours(at.peer_link, service_port(action::echo));
    auto& tx = at.peer_link.page().tx;
    tx.place(&ours.request(), message_size);
    publish(at.peer_link, tx.index + 31);
    require(!at.peer_link.next_answer(ours.request().id, 100ms), "a part of a message is answered");
    at.peer_link.drop();
}

// prod goes back: what is taken back before it is seen was never sent.
void taken_back(arena& at) {
    auto& tx = at.peer_link.page().tx;
    for (int round = 0; round < 200; ++round) {
        connection ours(at.peer_link, port_nobody);
        tx.place(&ours.request(), message_size);
        publish(at.peer_link, tx.index + message_size);
        tx.ours.store(tx.index);
        at.peer_link.kick();
        at.peer_link.receive();
        if (at.peer_link.victim_state() != bus_state::connected)
            return; // it was seen, and then prod lay behind it
    }
}

// Its words change while the victim reads it: it gets one of the values of each, and that is checked.
void rewritten_while_read(arena& at) {
    connection ours(at.peer_link, service_port(action::echo));
    auto good = ours.request();
    good.dst_port = port_nobody;
    auto bad = good;
    bad.left_order = 0xffff;
    bad.right_order = 0xffff;
    bad.ring_ref = 0xffffffff;
    bad.event_channel = 0xffffffff;
    bad.dst_port = service_port(action::echo);
    auto& tx = at.peer_link.page().tx;
    const std::jthread scribbler([&](const std::stop_token& stop) {
        while (!stop.stop_requested())
            for (std::size_t i = 8; i < message_size; i += 4)
                for (const auto* from : {&good, &bad})
                    for (std::uint32_t slot = 0; slot < tx.size; slot += message_size) {
                        std::uint32_t word = 0;
                        std::memcpy(&word, reinterpret_cast<const std::uint8_t*>(from) + i, 4);
                        index_field(tx.memory, slot + i).store(word);
                    }
    });
    for (int round = 0; round < 300; ++round) {
        good.id = bad.id = at.peer_link.new_id();
        at.peer_link.send(good);
        const auto answer = at.peer_link.next_answer(good.id, patience);
        require(answer.has_value(), "a request that changes is not answered");
        if (answer->op == op::response) { // of both, just what makes a good one
            ours.set_live(live::closed);
            require(at.peer_link.next_answer(good.id, patience).has_value(), "no RESET from the victim");
            ours.set_live(live::open);
        }
    }
}

void answer_to_nothing(arena& at) {
    for (std::uint32_t id = 0; id < 500; ++id) {
        message what;
        what.op = id % 2 == 0 ? op::response : op::reset;
        what.id = id * 0x01000193;
        what.reason = id;
        at.peer_link.send(what);
    }
}

void response_twice(arena& at) {
    const auto pair = at.connected(false, action::receive);
    for (int i = 0; i < 3; ++i)
        at.peer_link.send(pair.ours->answer(op::response));
    const std::vector<std::uint8_t> data(500, 't');
    require(pair.ours->send(data, patience), "the victim stops reading");
    at.must_go_on(pair);
    pair.ours->set_live(live::closed);
    require(at.must_end(pair.socket, {0}).bytes == data.size(), "bytes are lost");
    pair.ours->close();
}

void reset_twice(arena& at) {
    const auto pair = at.connected(false, action::receive);
    pair.ours->close();
    at.must_end(pair.socket, {0});
    for (int i = 0; i < 3; ++i)
        at.peer_link.send(pair.ours->answer(op::reset));
    at.peer_link.send(pair.ours->answer(op::response));
}

// RESET first is a refusal; the RESPONSE after it is an answer to nothing.
void reset_before_response(arena& at) {
    const auto pair = at.connecting(action::receive);
    pair.ours->page().our_live.store(live::open);
    pair.ours->send_reset();
    at.peer_link.send(pair.ours->answer(op::response));
    const auto result = at.must_end(pair.socket);
    require(result.connect_error == ECONNRESET, fmt::format("connect() fails with {}", result.connect_error));
}

void refusal(arena& at, std::uint32_t reason, int error) {
    const auto pair = at.connecting(action::receive);
    pair.ours->leave_without_reset();
    at.peer_link.send(pair.ours->answer(op::reset, reason));
    const auto result = at.must_end(pair.socket);
    require(result.connect_error == error, fmt::format("connect() fails with {}", result.connect_error));
}

// The acceptor says that it has accepted, and has touched nothing.
void response_without_attaching(arena& at) {
    const int socket = at.victim.connect(at.own_cid, 9000, action::send);
    const auto request = at.peer_link.next_request(patience);
    require(request.has_value(), "the victim sends no REQUEST");
    message answer;
    answer.op = op::response;
    answer.id = request->id;
    at.peer_link.send(answer);
    std::this_thread::sleep_for(100ms);
    require(!at.victim.wait(socket, 0).ended, "the victim's socket ends");
    at.victim.close_all(at.own_cid);
    answer.op = op::reset;
    at.peer_link.send(answer);
}

void never_answers(arena& at) {
    const auto pair = at.connecting(action::receive, 300);
    const auto result = at.must_end(pair.socket);
    require(result.connect_error == ETIMEDOUT, fmt::format("connect() fails with {}", result.connect_error));
    // The late answer finds nobody, and then the connection is let go.
    pair.ours->accept();
    pair.ours->close();
}

// More than the window: only that many are sent, the others wait, all time out.
void never_answers_many(arena& at) {
    std::vector<int> sockets;
    for (unsigned i = 0; i < request_window + 8; ++i)
        sockets.push_back(at.victim.connect(at.own_cid, 9000, action::receive, 500));
    for (const int socket : sockets)
        require(at.must_end(socket).connect_error == ETIMEDOUT, "connect() does not time out");
    unsigned sent = 0;
    while (at.peer_link.next_request(0ms))
        ++sent;
    require(sent == request_window, fmt::format("the victim has {} requests on the way", sent));
    at.peer_link.drop();
}

// The victim's answers are not taken, so they fill the ring; then its places for requests are busy, and one
// more breaks the rules.
void answers_not_taken(arena& at, std::uint32_t port) {
    auto& tx = at.peer_link.page().tx;
    // What is refused costs the victim nothing but the place for its answer. What is accepted, and closed,
    // must not cost more.
    std::vector<std::unique_ptr<connection>> ours;
    const bool accepted = port != port_nobody;
    for (int i = 0; i < 300; ++i) {
        if (accepted || ours.empty())
            ours.push_back(std::make_unique<connection>(at.peer_link, port));
        auto request = ours.back()->request();
        request.id = at.peer_link.new_id();
        at.peer_link.send(request);
        // One at a time, so that it is not the rule about too many at once that is broken.
        for (int tick = 0; tick < 200 && tx.space() < tx.size; ++tick)
            std::this_thread::sleep_for(1ms);
        if (i % 8 == 7) {
            std::this_thread::sleep_for(10ms);
            if (at.peer_link.victim_state() == bus_state::closed)
                return;
        }
    }
    fail("300 requests without an answer taken, and the victim goes on");
}

// All at once, more than the window. The victim may be fast enough to answer; then it must answer all.
void too_many_at_once(arena& at) {
    auto& tx = at.peer_link.page().tx;
    const auto count = tx.size / message_size;
    connection ours(at.peer_link, port_nobody);
    std::vector<std::uint32_t> ids;
    for (std::uint32_t i = 0; i < count; ++i) {
        auto request = ours.request();
        request.id = at.peer_link.new_id();
        ids.push_back(request.id);
        tx.place(&request, message_size);
        tx.index += message_size;
    }
    publish(at.peer_link, tx.index);
    for (const auto id : ids)
        for (int tries = 0; !at.peer_link.next_answer(id, 500ms); ++tries) {
            if (at.peer_link.victim_state() == bus_state::closed)
                return;
            require(tries < 40, "the victim neither answers all nor ends the link");
        }
}

// Messages of all kinds without any sense.
void message_noise(arena& at) {
    std::mt19937 random(99);
    const auto small = [&random](unsigned limit) { return random() % limit; };
    for (int round = 0; round < 2000; ++round) {
        if (at.peer_link.page().tx.space() < message_size || small(64) == 0) {
            at.peer_link.receive();
            if (at.peer_link.victim_state() != bus_state::connected)
                at.peer_link.make();
        }
        message what;
        what.op = static_cast<std::uint8_t>(1 + small(6));
        what.type = small(8) == 0 ? static_cast<std::uint16_t>(random()) : type_stream;
        what.id = small(4) == 0 ? static_cast<std::uint32_t>(random()) : small(8);
        what.src_port = small(4) == 0 ? static_cast<std::uint32_t>(random()) : 1000 + small(8);
        what.dst_port = small(2) == 0 ? first_service + small(12) : static_cast<std::uint32_t>(random());
        what.ring_ref = small(2) == 0 ? at.peer_link.page_ref() : static_cast<std::uint32_t>(random());
        what.event_channel = small(2) == 0 ? small(1024) : static_cast<std::uint32_t>(random());
        what.left_order = static_cast<std::uint16_t>(small(2) == 0 ? order_small : small(24));
        what.right_order = static_cast<std::uint16_t>(small(2) == 0 ? order_large : random());
        what.reason = small(8);
        if (small(200) == 0)
            what.version = static_cast<std::uint8_t>(random());
        if (small(200) == 0)
            what.op = static_cast<std::uint8_t>(random());
        auto& tx = at.peer_link.page().tx;
        if (tx.space() < message_size)
            continue;
        tx.write(&what, message_size);
        at.peer_link.kick();
    }
    // Whether the link survives is known when the last one has been read.
    auto& tx = at.peer_link.page().tx;
    for (int tick = 0; tick < 2000 && tx.space() < tx.size; ++tick) {
        if (at.peer_link.victim_state() != bus_state::connected)
            return;
        at.peer_link.receive();
        std::this_thread::sleep_for(1ms);
    }
    std::this_thread::sleep_for(100ms);
}

// The whole control page full of noise.
void page_noise(arena& at) {
    std::mt19937 random(3);
    auto* const memory = at.peer_link.page().memory;
    for (int round = 0; round < 100; ++round) {
        for (std::size_t i = 0; i < page_size; i += 4)
            index_field(memory, i).store(static_cast<std::uint32_t>(random()));
        at.peer_link.kick();
    }
    at.must_fall();
}

void live_and_notify_noise(arena& at) {
    auto& page = at.peer_link.page();
    std::mt19937 random(5);
    for (int round = 0; round < 5000; ++round) {
        page.our_live.store(static_cast<std::uint8_t>(random()));
        page.peer_live.store(static_cast<std::uint8_t>(random()));
        page.asked_of_us.store(static_cast<std::uint8_t>(random()));
        page.asked_of_peer.store(static_cast<std::uint8_t>(random()));
        if (round % 16 == 0)
            at.peer_link.kick();
    }
    page.our_live.store(live::open);
    page.peer_live.store(live::open);
    page.asked_of_us.store(tell_when_read | tell_when_written);
    at.peer_link.kick();
}

} // namespace

std::vector<attack> control_attacks() {
    std::vector<attack> list;
    const auto add = [&list](std::string name, std::function<void(arena&)> run,
                             link_fate fate = link_fate::survives) {
        list.push_back({"control." + std::move(name), fate, std::move(run)});
    };
    for (const std::uint8_t op : {0, 100, 255})
        add(
            fmt::format("op-{}", op), [=](arena& at) { unknown_op(at, op); }, link_fate::falls);
    for (const std::uint8_t version : {0, 2, 255})
        add(
            fmt::format("version-{}", version), [=](arena& at) { unknown_version(at, version); },
            link_fate::falls);
    for (const std::uint32_t distance : {4096U, 0x80000000U, 0xffffffffU})
        add(
            fmt::format("prod-off-by-{:x}", distance), [=](arena& at) { producer_index(at, distance); },
            link_fate::falls);
    for (const std::uint32_t distance : {1U, 32U, 0x80000000U})
        add(
            fmt::format("cons-ahead-by-{:x}", distance), [=](arena& at) { consumer_index(at, distance); },
            link_fate::falls);
    add("fall-with-connections", fall_with_connections, link_fate::falls);
    add("truncated", truncated);
    add("truncated-for-good", truncated_for_good, link_fate::falls);
    add("taken-back", taken_back, link_fate::either);
    add("rewritten-while-read", rewritten_while_read);
    add("answer-to-nothing", answer_to_nothing);
    add("response-twice", response_twice);
    add("reset-twice", reset_twice);
    add("reset-before-response", reset_before_response);
    for (const auto& [reason, error] : {std::pair{reason::none, ECONNRESET},
                                        {reason::refused, ECONNRESET},
                                        {reason::limit, ENOBUFS},
                                        {reason::invalid, EPROTO},
                                        {reason::out_of_memory, ENOMEM},
                                        {0xdeadbeefU, ECONNRESET}})
        add(fmt::format("refusal-{:x}", reason),
            [reason = reason, error = error](arena& at) { refusal(at, reason, error); });
    add("response-without-attaching", response_without_attaching);
    add("never-answers", never_answers);
    add("never-answers-many", never_answers_many, link_fate::falls);
    add(
        "refusals-not-taken", [](arena& at) { answers_not_taken(at, port_nobody); }, link_fate::falls);
    add(
        "responses-not-taken", [](arena& at) { answers_not_taken(at, service_port(action::hang_up)); },
        link_fate::falls);
    add("too-many-at-once", too_many_at_once, link_fate::either);
    add("message-noise", message_noise, link_fate::either);
    add("page-noise", page_noise, link_fate::falls);
    add("live-and-notify-noise", live_and_notify_noise);
    return list;
}

} // namespace xvsock::hostile
