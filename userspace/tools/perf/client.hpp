// SPDX-License-Identifier: MIT
/// The client of `xvsock perf`: asks a server for tests and measures them.
#pragma once

#include "perf/protocol.hpp"
#include "perf/stream.hpp"
#include "perf/supervisor.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <vector>

namespace xvsock::perf {

/// The received data is not what was sent.
class data_error : public std::runtime_error {
public:
    data_error(const mismatch& difference, const std::string& message)
        : std::runtime_error(message), difference_(difference) {}

    const mismatch& difference() const { return difference_; }

private:
    mismatch difference_;
};

/// How long a test runs: a number of messages or, without one, a time.
struct test_length {
    std::chrono::nanoseconds seconds = std::chrono::seconds(1);
    std::optional<std::uint64_t> count;
};

/// One-way times, half a round trip, in nanoseconds.
struct latency_result {
    std::uint64_t rounds = 0; ///< in each of the two passes, see client::measure_latency()
    double mean = 0;
    double min = 0, p50 = 0, p99 = 0, p999 = 0, max = 0;
};

/// Times of whole cycles: connect, a byte each way, close; in nanoseconds.
struct connect_result {
    std::uint64_t cycles = 0;
    double mean = 0;
    double min = 0, p50 = 0, p99 = 0, p999 = 0, max = 0;
};

struct bandwidth_result {
    std::uint64_t messages = 0; ///< in each direction that was used
    std::uint64_t bytes = 0;    ///< in all directions together
    double seconds = 0;         ///< until the receiver had, and confirmed, all of it

    double megabytes_per_second() const { return double(bytes) / seconds / 1e6; }
    double megabits_per_second() const { return megabytes_per_second() * 8; }
};

/// One session with a server. All functions block; they throw connection_error when the connection breaks,
/// data_error when data arrived changed, and protocol_error when the other end is no server of this version.
class client {
public:
    /// `seed` makes the data of the verification passes.
    client(stream& connection, std::uint64_t seed) : connection_(connection), seed_(seed) {}

    /// Moves about `volume` bytes of pseudo-random data the way a test of this kind does, at least one
    /// message, and compares each byte at its receiver. Returns the bytes that were compared.
    std::uint64_t verify(test_kind kind, std::uint32_t size, std::uint64_t volume);

    /// Moves `count` messages whose time nobody takes.
    void warm_up(test_kind kind, std::uint32_t size, std::uint64_t count);

    /// Ping-pong in two passes of as many rounds: one whose total time is taken with two readings of the
    /// clock gives the mean, one with a reading each round gives the rest. With a time each pass takes about
    /// half of it. The second pass has at most max_samples rounds.
    latency_result measure_latency(std::uint32_t size, const test_length& length);

    /// Streams messages; `kind` is one of the stream kinds.
    bandwidth_result measure_bandwidth(test_kind kind, std::uint32_t size, const test_length& length);

    /// Connects, moves a byte each way, closes; `count` times, each as soon as the one before has ended. Each
    /// byte is compared by its receiver. `watcher` interrupts a cycle that hangs, which connecting does after
    /// `timeout`.
    connect_result measure_connects(std::uint64_t count, supervisor& watcher,
                                    std::chrono::nanoseconds timeout);

    static constexpr std::uint64_t max_samples = 1'000'000;
    /// Cycles that are asked for at once. In between something moves in the session, which shows those who
    /// watch it that it is alive.
    static constexpr std::uint64_t cycles_at_once = 128;

private:
    using nanoseconds = std::chrono::nanoseconds;

    /// A test that was run, and how long it took.
    struct timed_run {
        std::uint64_t count;
        nanoseconds elapsed;
    };

    request make_request(test_kind kind, std::uint32_t size, std::uint64_t count, bool verify = false);
    nanoseconds run(const request& test, std::vector<std::int64_t>* round_trips = nullptr);
    timed_run run_count(test_kind kind, std::uint32_t size, std::uint64_t count);
    timed_run run_for(test_kind kind, std::uint32_t size, nanoseconds time);
    nanoseconds run_cycles(std::uint64_t count, supervisor& watcher, nanoseconds timeout,
                           std::vector<std::int64_t>& times);
    void send(const request& test);
    reply receive_reply();
    reply await_ready();

    stream& connection_;
    std::uint64_t seed_;
};

} // namespace xvsock::perf
