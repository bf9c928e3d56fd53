// SPDX-License-Identifier: MIT
// What a peer can write into the memory of a connection.
#include "attack.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <numeric>
#include <random>
#include <thread>

#include <fmt/format.h>

namespace xvsock::hostile {

namespace {

// Linux up to 6.1 turns a transport's errno into ENOMEM.
constexpr std::initializer_list<int> broken{ECONNRESET, EPIPE, ENOMEM, EPROTO};

const char* side_name(bool as_initiator) {
    return as_initiator ? "initiator" : "acceptor";
}

// Fills the victim's ring, so that its sender waits.
void wait_until_full(connection& ours) {
    for (int tick = 0; tick < 200; ++tick) {
        if (ours.page().rx.filled() == ours.page().rx.size)
            return;
        std::this_thread::sleep_for(5ms);
    }
    fail("the victim does not fill its ring");
}

// The victim's reader must not take it for data that prod has run away.
void producer_index(arena& at, bool as_initiator, action what, std::uint32_t distance) {
    const auto pair = at.connected(as_initiator, what);
    auto& page = pair.ours->page();
    // Some good bytes before, so that the indices are not where they began.
    const std::array<std::uint8_t, 300> bytes{};
    require(pair.ours->send(bytes, patience), "the victim does not read");
    const auto before = at.victim.check();
    page.tx.ours.store(page.tx.index + (distance == 0 ? page.tx.current_size() + 1 : distance));
    pair.ours->kick();
    const auto result = at.must_end_counted(pair.socket, before, broken);
    require(result.bytes <= bytes.size(), fmt::format("the victim's program got {} bytes", result.bytes));
    require(page.peer_live.load() == live::reset || page.peer_live.load() == live::closed,
            fmt::format("the victim's live byte is {:#x}", page.peer_live.load()));
}

// The victim's writer must not take it for room that cons has run away.
void consumer_index(arena& at, bool as_initiator, action what, std::uint32_t distance) {
    const auto pair = at.connected(as_initiator, what);
    auto& page = pair.ours->page();
    wait_until_full(*pair.ours);
    const auto before = at.victim.check();
    page.rx.ours.store(page.rx.theirs.load() + distance);
    pair.ours->kick();
    at.must_end_counted(pair.socket, before, broken);
}

void index_before_answer(arena& at) {
    auto pair = at.connecting(action::receive);
    pair.ours->page().tx.ours.store(0x80000000);
    pair.ours->page().rx.ours.store(0x80000000);
    pair.ours->kick();
    pair.ours->accept();
    at.must_end(pair.socket, broken);
}

void index_in_request(arena& at) {
    connection ours(at.peer_link, service_port(action::both));
    ours.page().tx.ours.store(0xffffffff);
    ours.page().rx.ours.store(0x7fffffff);
    ours.connect();
    const auto socket = at.victim.accepted(at.own_cid, ours.request().src_port);
    require(socket.has_value(), "the victim's listener gets no connection");
    at.must_end(*socket, broken);
}

void index_after_shutdown(arena& at, bool as_initiator) {
    const auto pair = at.connected(as_initiator, action::half);
    auto& page = pair.ours->page();
    for (int tick = 0; tick < 200 && (page.peer_live.load() & live::no_send) == 0; ++tick)
        std::this_thread::sleep_for(5ms);
    require((page.peer_live.load() & live::no_send) != 0, "the victim does not tell of its shutdown");
    page.tx.ours.store(page.tx.index + page.tx.current_size() + 7);
    page.rx.ours.store(page.rx.index - 1);
    pair.ours->kick();
    at.must_end(pair.socket, broken);
}

// The victim has closed; what happens in the pages is nothing to it any more.
void index_after_close(arena& at) {
    const auto pair = at.connected(false, action::receive);
    at.victim.close_all(at.own_cid);
    auto& page = pair.ours->page();
    for (std::uint32_t round = 0; round < 200; ++round) {
        page.tx.ours.store(round * 0x01234567);
        page.rx.ours.store(round * 0x07654321);
        pair.ours->set_live(static_cast<std::uint8_t>(round));
    }
    pair.ours->close();
}

// Impossible indices without end, while the victim's program moves data both ways.
void index_noise(arena& at, bool as_initiator) {
    const auto pair = at.connected(as_initiator, action::both);
    auto& page = pair.ours->page();
    std::mt19937 random(4711);
    // Mostly possible ones, so that more than the first look is tried.
    for (int round = 0; round < 20000 && page.peer_live.load() == live::open; ++round) {
        const bool wild = random() % 1000 == 0;
        page.tx.ours.store(wild ? random() : page.tx.theirs.load() + random() % (page.tx.size + 1));
        page.rx.ours.store(wild ? random() : page.rx.theirs.load() - random() % (page.rx.size + 1));
        if (random() % 16 == 0)
            pair.ours->kick();
    }
    page.tx.ours.store(page.tx.theirs.load() - 1);
    pair.ours->kick();
    at.must_end(pair.socket, broken);
}

void live_value(arena& at, bool as_initiator, std::uint8_t value, action what,
                std::initializer_list<int> errors) {
    const auto pair = at.connected(as_initiator, what);
    pair.ours->set_live(value);
    at.must_end(pair.socket, errors);
}

void live_value_means_nothing(arena& at, bool as_initiator, std::uint8_t value) {
    auto pair = at.connected(as_initiator, as_initiator ? action::echo : action::ask);
    pair.ours->set_live(value);
    std::this_thread::sleep_for(50ms);
    at.must_go_on(pair);
    pair.ours->set_live(live::open);
    if (!as_initiator)
        at.must_echo(pair);
}

void live_sweep(arena& at, bool as_initiator, bool kicks) {
    const auto pair = at.connected(as_initiator, action::both);
    std::array<std::uint8_t, 256> values{};
    std::iota(values.begin(), values.end(), std::uint8_t{0});
    std::mt19937 random(42);
    for (int round = 0; round < 20; ++round) {
        std::shuffle(values.begin(), values.end(), random);
        for (const auto value : values) {
            pair.ours->page().our_live.store(value);
            if (kicks)
                pair.ours->kick();
        }
    }
    pair.ours->set_live(live::closed);
    at.must_end(pair.socket);
}

// Both notify bytes are the peer's to write; it only hurts itself.
void notify_sweep(arena& at, bool as_initiator) {
    auto pair = at.connected(as_initiator, as_initiator ? action::echo : action::ask);
    auto& page = pair.ours->page();
    {
        const std::jthread flipper([&](const std::stop_token& stop) {
            for (unsigned value = 0; !stop.stop_requested(); ++value) {
                page.asked_of_us.store(static_cast<std::uint8_t>(value));
                page.asked_of_peer.store(static_cast<std::uint8_t>(value * 7));
                if (value % 64 == 0)
                    pair.ours->kick();
            }
        });
        if (as_initiator) {
            std::vector<std::uint8_t> data(1000, 'n');
            for (int round = 0; round < 50; ++round)
                require(pair.ours->send(data, patience) && pair.ours->receive(data, patience),
                        "the echo stops");
        } else {
            at.must_echo(pair);
        }
    }
    if (!as_initiator)
        require(at.must_end(pair.socket).error == 0, "the victim's echo fails");
}

// The bytes change while they are copied: the victim gets rubbish, and as many bytes as it was promised.
void data_rewritten(arena& at, bool as_initiator) {
    const auto pair = at.connected(as_initiator, action::receive);
    auto& page = pair.ours->page();
    constexpr std::uint32_t total = 1U << 20U;
    {
        const std::jthread scribbler([&](const std::stop_token& stop) {
            for (std::uint8_t value = 0; !stop.stop_requested(); ++value)
                for (std::uint32_t i = 0; i < page.tx.size; i += 61)
                    *const_cast<volatile std::uint8_t*>(page.tx.memory + i) = value;
        });
        const std::vector<std::uint8_t> data(8192, 'd');
        for (std::uint32_t sent = 0; sent < total; sent += static_cast<std::uint32_t>(data.size()))
            require(pair.ours->send(data, patience), "the victim stops reading");
    }
    pair.ours->set_live(live::closed);
    const auto result = at.must_end(pair.socket, {0});
    require(result.bytes == total, fmt::format("the victim read {} bytes of {}", result.bytes, total));
}

// Everything in the page that is no index, no live byte and no ring: nobody reads it again.
void header_rewritten(arena& at, bool as_initiator) {
    auto pair = at.connected(as_initiator, as_initiator ? action::echo : action::ask);
    auto* const memory = pair.ours->page().memory;
    const auto first_ring = offset::small_ring;
    {
        const std::jthread scribbler([&](const std::stop_token& stop) {
            std::mt19937 random(1);
            while (!stop.stop_requested()) {
                shared_field<std::uint16_t>(memory, offset::left_order)
                    .store(static_cast<std::uint16_t>(random()));
                shared_field<std::uint16_t>(memory, offset::right_order)
                    .store(static_cast<std::uint16_t>(random()));
                for (auto at_grant = offset::grants; at_grant < first_ring / 2; at_grant += 4)
                    index_field(memory, at_grant).store(static_cast<std::uint32_t>(random()));
            }
        });
        if (as_initiator) {
            std::vector<std::uint8_t> data(1000, 'h');
            for (int round = 0; round < 20; ++round)
                require(pair.ours->send(data, patience) && pair.ours->receive(data, patience),
                        "the echo stops");
        } else {
            at.must_echo(pair);
        }
    }
    if (!as_initiator)
        require(at.must_end(pair.socket).error == 0, "the victim's echo fails");
}

// Whole page full of noise, with kicks: whatever the victim makes of it, it ends.
void page_noise(arena& at, bool as_initiator) {
    const auto pair = at.connected(as_initiator, action::both);
    std::mt19937 random(7);
    auto* const memory = pair.ours->page().memory;
    for (int round = 0; round < 300; ++round) {
        for (std::size_t i = 0; i < page_size; i += 4)
            index_field(memory, i).store(static_cast<std::uint32_t>(random()));
        pair.ours->kick();
    }
    pair.ours->set_live(live::reset);
    at.must_end(pair.socket);
}

void never_reads(arena& at, bool as_initiator) {
    const auto pair = at.connected(as_initiator, action::send);
    wait_until_full(*pair.ours);
    at.must_go_on(pair);
    const int took = at.victim.close_all(at.own_cid);
    require(took < 1000, fmt::format("closing a socket that cannot send takes {} ms", took));
}

} // namespace

std::vector<attack> index_attacks() {
    std::vector<attack> list;
    const auto add = [&list](std::string name, std::function<void(arena&)> run) {
        list.push_back({std::move(name), link_fate::survives, std::move(run)});
    };
    for (const bool initiator : {true, false}) {
        const auto named = [&](const std::string& what) {
            return fmt::format("{}.{}", side_name(initiator), what);
        };
        // 0 stands for one more than the ring holds.
        for (const std::uint32_t distance : {0U, 0x7fffffffU, 0x80000000U, 0xffffffffU})
            for (const auto what : {action::receive, action::poll})
                add(named(fmt::format("prod-off-by-{:x}-{}", distance, action_names[int(what)])),
                    [=](arena& at) { producer_index(at, initiator, what, distance); });
        for (const std::uint32_t distance : {1U, 0x80000000U})
            for (const auto what : {action::send, action::fill})
                add(named(fmt::format("cons-ahead-by-{:x}-{}", distance, action_names[int(what)])),
                    [=](arena& at) { consumer_index(at, initiator, what, distance); });
        add(named("index-after-shutdown"), [=](arena& at) { index_after_shutdown(at, initiator); });
        add(named("index-noise"), [=](arena& at) { index_noise(at, initiator); });

        add(named("live-reset"),
            [=](arena& at) { live_value(at, initiator, live::reset, action::receive, {ECONNRESET}); });
        add(named("live-ff"),
            [=](arena& at) { live_value(at, initiator, 0xff, action::poll, {ECONNRESET}); });
        add(named("live-no-send"),
            [=](arena& at) { live_value(at, initiator, live::open | live::no_send, action::receive, {0}); });
        add(named("live-no-receive"), [=](arena& at) {
            live_value(at, initiator, live::open | live::no_receive, action::send, {EPIPE});
        });
        for (const std::uint8_t value : {0x02, 0x03, 0x80, 0x8e})
            add(named(fmt::format("live-{:02x}", value)),
                [=](arena& at) { live_value_means_nothing(at, initiator, value); });
        add(named("live-all-values"), [=](arena& at) { live_sweep(at, initiator, true); });
        add(named("live-all-values-silently"), [=](arena& at) { live_sweep(at, initiator, false); });
        add(named("notify-all-values"), [=](arena& at) { notify_sweep(at, initiator); });
        add(named("data-rewritten"), [=](arena& at) { data_rewritten(at, initiator); });
        add(named("header-rewritten"), [=](arena& at) { header_rewritten(at, initiator); });
        add(named("page-noise"), [=](arena& at) { page_noise(at, initiator); });
        add(named("never-reads"), [=](arena& at) { never_reads(at, initiator); });
    }
    add("acceptor.index-before-answer", index_before_answer);
    add("initiator.index-in-request", index_in_request);
    add("acceptor.index-after-close", index_after_close);
    return list;
}

} // namespace xvsock::hostile
