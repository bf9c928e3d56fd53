// SPDX-License-Identifier: MIT
#include "perf/client.hpp"

#include "perf/exchange.hpp"
#include "perf/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace xvsock::perf {

using clock = std::chrono::steady_clock;

namespace {

std::string describe(const mismatch& difference, const request& test, const char* receiver) {
    return fmt::format(
        "data corrupted: the {} found {:#04x} at offset {} where {:#04x} was sent (messages of {} bytes)",
        receiver, difference.actual, difference.offset, difference.expected, test.size);
}

} // namespace

request client::make_request(test_kind kind, std::uint32_t size, std::uint64_t count, bool verify) {
    return {.kind = kind, .verify = verify, .size = size, .count = count, .seed = seed_};
}

void client::send(const request& test) {
    const frame data = encode(test);
    connection_.send_all(data.data(), data.size());
}

reply client::receive_reply() {
    frame data;
    connection_.receive_all(data.data(), data.size());
    return decode_reply(data);
}

reply client::await_ready() {
    const reply answer = receive_reply();
    if (answer.status != reply_status::ready)
        throw protocol_error(protocol_error::reason::bounds, "the server refused the test");
    return answer;
}

/// Runs one test and returns the time from its start until all data was received by whom it was for. With
/// `round_trips`, which must have as many elements as the test has messages, a ping-pong's rounds are timed
/// one by one.
std::chrono::nanoseconds client::run(const request& test, std::vector<std::int64_t>* round_trips) {
    exchange part(connection_, test, exchange::side::client);
    send(test);
    await_ready();

    const std::uint64_t sent_before = connection_.sent();
    const std::uint64_t received_before = connection_.received();
    const auto start = clock::now();
    switch (test.kind) {
    case test_kind::ping_pong:
        if (round_trips != nullptr)
            part.ping_timed(*round_trips);
        else
            part.ping();
        break;
    case test_kind::stream_send:
        part.send_stream();
        break;
    case test_kind::stream_receive:
        connection_.send_all(&go_byte, 1);
        part.receive_stream();
        break;
    case test_kind::stream_both:
        connection_.send_all(&go_byte, 1);
        part.send_and_receive_streams();
        break;
    case test_kind::connects:
        throw std::logic_error("connects move no data in the session"); // run_cycles() does them
    }
    // What this end sent counts only once the other end says that it is there; what it received is here
    // already.
    auto end = clock::now();
    const std::uint64_t received = connection_.received() - received_before;
    const reply answer = receive_reply();
    if (test.kind == test_kind::stream_send || test.kind == test_kind::stream_both)
        end = clock::now();

    const bool starts_on_go = test.kind == test_kind::stream_receive || test.kind == test_kind::stream_both;
    const std::uint64_t sent = connection_.sent() - sent_before - (starts_on_go ? 1 : 0);
    if (answer.status == reply_status::corrupt)
        throw data_error(answer.difference, describe(answer.difference, test, "server"));
    if (const auto& difference = part.difference())
        throw data_error(*difference, describe(*difference, test, "client"));
    if (answer.status != reply_status::done)
        throw protocol_error(protocol_error::reason::bounds, "the server did not end the test as it should");
    const std::uint64_t expected_back = test.kind == test_kind::stream_send ? 0 : test.volume();
    if (answer.received != sent || received != expected_back)
        throw std::runtime_error(
            fmt::format("data lost: {} bytes sent, the server received {}; {} of {} came back", sent,
                        answer.received, received, expected_back));
    return end - start;
}

std::uint64_t client::verify(test_kind kind, std::uint32_t size, std::uint64_t volume) {
    constexpr std::uint64_t max_messages = 4096; // single bytes would take long to make up a volume
    const request test =
        make_request(kind, size, std::clamp<std::uint64_t>(volume / size, 1, max_messages), true);
    run(test);
    return test.volume() * (kind == test_kind::ping_pong || kind == test_kind::stream_both ? 2 : 1);
}

void client::warm_up(test_kind kind, std::uint32_t size, std::uint64_t count) {
    if (count != 0)
        run(make_request(kind, size, count));
}

/// Runs ever longer tests until one takes at least most of `time`, and returns that one. The growth is
/// bounded, so that a hiccup in a short run does not make the next one far too long or too short.
client::timed_run client::run_for(test_kind kind, std::uint32_t size, nanoseconds time) {
    constexpr double enough = 0.7, max_growth = 8, max_count = std::uint64_t{1} << 36;
    double count = kind == test_kind::ping_pong ? 4 : double(std::max<std::uint64_t>(1, 65536 / size));
    for (;;) {
        const timed_run done = run_count(kind, size, std::uint64_t(count));
        const double share = double(done.elapsed.count()) / double(time.count());
        if (share >= enough || count >= max_count)
            return done;
        count = std::min(std::ceil(count * std::min(1 / share, max_growth)), max_count);
    }
}

client::timed_run client::run_count(test_kind kind, std::uint32_t size, std::uint64_t count) {
    return {count, std::max(run(make_request(kind, size, count)), nanoseconds(1))};
}

latency_result client::measure_latency(std::uint32_t size, const test_length& length) {
    const auto [count, total] = length.count ? run_count(test_kind::ping_pong, size, *length.count)
                                             : run_for(test_kind::ping_pong, size, length.seconds / 2);

    std::vector<std::int64_t> round_trips(std::min(count, max_samples));
    run(make_request(test_kind::ping_pong, size, round_trips.size()), &round_trips);
    std::sort(round_trips.begin(), round_trips.end());
    const auto one_way = [&](double percent) { return double(percentile(round_trips, percent)) / 2; };
    return {.rounds = count,
            .mean = double(total.count()) / double(count) / 2,
            .min = one_way(0),
            .p50 = one_way(50),
            .p99 = one_way(99),
            .p999 = one_way(99.9),
            .max = one_way(100)};
}

/// Runs one test of connections, appends the time of each, and returns the time of all.
std::chrono::nanoseconds client::run_cycles(std::uint64_t count, supervisor& watcher, nanoseconds timeout,
                                            std::vector<std::int64_t>& times) {
    const request test = make_request(test_kind::connects, 1, count, true);
    const pattern outgoing(seed_), incoming(server_seed(seed_));
    send(test);
    const side_door server(connection_, std::uint32_t(await_ready().received), timeout);

    const auto start = clock::now();
    auto before = start;
    for (std::uint64_t i = 0; i < count; ++i) {
        std::byte sent, received;
        outgoing.fill(i, {&sent, 1});
        {
            stream cycle = server.connect();
            const supervisor::watch watch(watcher, cycle);
            cycle.send_all(&sent, 1);
            cycle.receive_all(&received, 1);
        }
        const auto after = clock::now(); // closed
        times.push_back((after - before).count());
        before = after;
        if (const auto difference = incoming.check(i, {&received, 1}))
            throw data_error(*difference, describe(*difference, test, "client"));
    }
    const reply answer = receive_reply();
    if (answer.status == reply_status::corrupt)
        throw data_error(answer.difference, describe(answer.difference, test, "server"));
    if (answer.status != reply_status::done || answer.received != count)
        throw protocol_error(protocol_error::reason::bounds, "the server did not end the test as it should");
    return before - start;
}

connect_result client::measure_connects(std::uint64_t count, supervisor& watcher, nanoseconds timeout) {
    std::vector<std::int64_t> times;
    nanoseconds total{};
    while (times.size() < count)
        total += run_cycles(std::min(cycles_at_once, count - times.size()), watcher, timeout, times);
    std::sort(times.begin(), times.end());
    return {.cycles = count,
            .mean = double(total.count()) / double(count),
            .min = double(percentile(times, 0)),
            .p50 = double(percentile(times, 50)),
            .p99 = double(percentile(times, 99)),
            .p999 = double(percentile(times, 99.9)),
            .max = double(percentile(times, 100))};
}

bandwidth_result client::measure_bandwidth(test_kind kind, std::uint32_t size, const test_length& length) {
    const auto [count, elapsed] =
        length.count ? run_count(kind, size, *length.count) : run_for(kind, size, length.seconds);
    return {.messages = count,
            .bytes = count * size * (kind == test_kind::stream_both ? 2 : 1),
            .seconds = double(elapsed.count()) / 1e9};
}

} // namespace xvsock::perf
