// SPDX-License-Identifier: MIT
// The notification handshake under stress. In each round every step matters: a side publishes once and then
// waits for the other, so that a single lost wake-up stops both for good, and the watchdog tells. In a stream
// that flows on, the next kick would cover it up.
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <future>
#include <random>
#include <string>
#include <vector>

#include "vchan_side.hpp"

namespace {

using namespace xvsock::vchan_test;

/// Spins for a random time between nothing and about the length of the handshake itself, so that over many
/// rounds every step of one side meets every step of the other.
class jitter {
public:
    explicit jitter(uint32_t seed) : random_(seed) {}

    void pause() {
        for (uint32_t left = random_() % 256; left > 0; --left)
            std::atomic_signal_fence(std::memory_order_seq_cst); // keeps the loop from being optimised away
    }

private:
    std::minstd_rand random_;
};

/// One byte to the other side, one byte back, each waited for: for WRITE requests in both directions.
template <class Event> void ping_pong(side<Event>& us, bool begins, uint32_t rounds) {
    jitter jitter{begins ? 1u : 2u};
    for (uint32_t round = 0; round < rounds; ++round) {
        const auto expected = static_cast<std::byte>(round);
        if (begins)
            us.write_some({&expected, 1});
        us.wait_for_data(1);
        us.read_some(1, [&](std::span<const std::byte> bytes) {
            if (bytes[0] != expected)
                throw broken_ring("a wrong byte");
        });
        jitter.pause();
        if (!begins)
            us.write_some({&expected, 1});
        jitter.pause();
    }
}

template <class Event>
void play_ping_pong(uint32_t rounds, uint64_t sleeps_wanted, vchan_layout layout = VCHAN_LAYOUT_XEN) {
    shared_vchan vchan{VCHAN_ORDER_SMALL, VCHAN_ORDER_LARGE, layout};
    Event client_event, server_event;
    side<Event> client{vchan, role::client, client_event, server_event};
    side<Event> server{vchan, role::server, server_event, client_event};
    auto answering = std::async(std::launch::async, [&] { ping_pong(server, false, rounds); });
    EXPECT_NO_THROW(ping_pong(client, true, rounds));
    EXPECT_NO_THROW(answering.get());
    testing::Test::RecordProperty("sleeps", std::to_string(client.sleeps() + server.sleeps()));
    EXPECT_GE(client.sleeps() + server.sleeps(), sleeps_wanted) << "too few to mean anything";
}

/// The whole ring at once, then wait until it is empty; the other side drains it at once, then waits until it
/// is full: WRITE requests in one direction, READ requests in the other, on one ring of 1 KiB.
template <class Event> void fill(side<Event>& client, uint32_t rounds) {
    jitter jitter{3};
    std::vector<std::byte> block(client.write_size());
    for (uint32_t round = 0; round < rounds; ++round) {
        block.front() = block.back() = static_cast<std::byte>(round);
        client.wait_for_space(client.write_size());
        jitter.pause();
        client.write_some(block);
        jitter.pause();
    }
}

template <class Event> void drain(side<Event>& server, uint32_t rounds) {
    jitter jitter{4};
    for (uint32_t round = 0; round < rounds; ++round) {
        const auto expected = static_cast<std::byte>(round);
        server.wait_for_data(server.read_size());
        jitter.pause();
        server.read_some(server.read_size(), [&](std::span<const std::byte> bytes) {
            if (bytes.front() != expected || bytes.back() != expected)
                throw broken_ring("a wrong byte");
        });
        jitter.pause();
    }
}

template <class Event>
void play_fill_and_drain(uint32_t rounds, uint64_t sleeps_wanted, vchan_layout layout = VCHAN_LAYOUT_XEN) {
    shared_vchan vchan{VCHAN_ORDER_SMALL, VCHAN_ORDER_LARGE, layout};
    Event client_event, server_event;
    side<Event> client{vchan, role::client, client_event, server_event};
    side<Event> server{vchan, role::server, server_event, client_event};
    auto draining = std::async(std::launch::async, [&] { drain(server, rounds); });
    EXPECT_NO_THROW(fill(client, rounds));
    EXPECT_NO_THROW(draining.get());
    testing::Test::RecordProperty("sleeps", std::to_string(client.sleeps() + server.sleeps()));
    EXPECT_GE(client.sleeps() + server.sleeps(), sleeps_wanted) << "too few to mean anything";
}

TEST(vchan_handshake, ping_pong_of_single_bytes_really_asleep) {
    play_ping_pong<blocking_event>(100'000, 100'000);
}

TEST(vchan_handshake, ping_pong_of_single_bytes_spinning) {
    play_ping_pong<spinning_event>(1'000'000 / sanitizer_slowdown, 100'000 / sanitizer_slowdown);
}

TEST(vchan_handshake, ping_pong_in_the_wide_layout_spinning) {
    play_ping_pong<spinning_event>(1'000'000 / sanitizer_slowdown, 100'000 / sanitizer_slowdown,
                                   VCHAN_LAYOUT_WIDE);
}

TEST(vchan_handshake, fill_and_drain_in_the_wide_layout_spinning) {
    play_fill_and_drain<spinning_event>(1'000'000 / sanitizer_slowdown, 100'000 / sanitizer_slowdown,
                                        VCHAN_LAYOUT_WIDE);
}

TEST(vchan_handshake, fill_and_drain_really_asleep) {
    play_fill_and_drain<blocking_event>(50'000, 50'000);
}

TEST(vchan_handshake, fill_and_drain_spinning) {
    play_fill_and_drain<spinning_event>(1'000'000 / sanitizer_slowdown, 100'000 / sanitizer_slowdown);
}

} // namespace
