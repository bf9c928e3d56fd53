// SPDX-License-Identifier: MIT
// Client and server in one process, over TCP and AF_UNIX.
#include "perf/client.hpp"
#include "perf/pattern.hpp"
#include "perf/server.hpp"
#include "perf_test_server.hpp"

#include <csignal>
#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <optional>

namespace xvsock::perf {
namespace {

using std::chrono::milliseconds;

class session_over : public testing::TestWithParam<const char*> {
protected:
    std::string listen_address() const {
        return std::string_view(GetParam()) == "unix" ? unique_unix_address() : std::string(GetParam());
    }
};

INSTANTIATE_TEST_SUITE_P(families, session_over, testing::Values("tcp:127.0.0.1:0", "tcp:[::1]:0", "unix"),
                         [](const auto& info) {
                             return std::string(info.index == 0 ? "ipv4" : info.index == 1 ? "ipv6" : "unix");
                         });

TEST_P(session_over, every_test_at_odd_sizes) {
    test_server server(listen_address());
    supervisor watcher({});
    {
        stream connection = connect_to(server.where(), {}, watcher);
        client user(connection, 7);
        for (const std::uint32_t size : {1u, 3u, 4096u, 65537u, 1u << 20}) {
            EXPECT_GE(user.verify(test_kind::ping_pong, size, 100'000), 2 * size);
            for (const auto kind :
                 {test_kind::stream_send, test_kind::stream_receive, test_kind::stream_both}) {
                EXPECT_GE(user.verify(kind, size, 3'000'000), size);
                user.warm_up(kind, size, 2);
                const auto bandwidth = user.measure_bandwidth(kind, size, {.seconds = {}, .count = 20});
                EXPECT_EQ(bandwidth.messages, 20u);
                EXPECT_EQ(bandwidth.bytes, 20ull * size * (kind == test_kind::stream_both ? 2 : 1));
                EXPECT_GT(bandwidth.seconds, 0);
            }
            const auto latency = user.measure_latency(size, {.seconds = {}, .count = 50});
            EXPECT_EQ(latency.rounds, 50u);
            EXPECT_GT(latency.mean, 0);
            EXPECT_GT(latency.min, 0);
            EXPECT_LE(latency.min, latency.p50);
            EXPECT_LE(latency.p50, latency.p99);
            EXPECT_LE(latency.p99, latency.p999);
            EXPECT_LE(latency.p999, latency.max);
        }
    }
    EXPECT_TRUE(server.logs("ended after"));
    EXPECT_EQ(server.stop().completed, 1u);
}

TEST_P(session_over, connections_one_after_the_other) {
    test_server server(listen_address());
    supervisor watcher({});
    {
        stream connection = connect_to(server.where(), {}, watcher);
        client user(connection, 7);
        // Less than one batch, and more than two.
        for (const std::uint64_t count : {std::uint64_t{1}, 2 * client::cycles_at_once + 3}) {
            const auto result = user.measure_connects(count, watcher, std::chrono::seconds(20));
            EXPECT_EQ(result.cycles, count);
            EXPECT_GT(result.min, 0);
            EXPECT_LE(result.min, result.mean);
            EXPECT_LE(result.mean, result.max);
            EXPECT_LE(result.min, result.p50);
            EXPECT_LE(result.p50, result.p99);
            EXPECT_LE(result.p99, result.p999);
            EXPECT_LE(result.p999, result.max);
        }
        EXPECT_GE(user.verify(test_kind::ping_pong, 10, 100), 20u) << "the session goes on";
    }
    EXPECT_TRUE(server.logs("ended after 5 tests"));
}

/// The request that a client of ours sends for this many connections.
frame ask_for_connects(std::uint64_t count, std::uint64_t seed) {
    return encode(
        request{.kind = test_kind::connects, .verify = true, .size = 1, .count = count, .seed = seed});
}

TEST_P(session_over, a_wrong_byte_of_a_short_connection_is_found_by_the_server) {
    test_server server(listen_address());
    supervisor watcher({});
    stream connection = connect_to(server.where(), {}, watcher);
    const frame ask = ask_for_connects(3, 7);
    connection.send_all(ask.data(), ask.size());
    frame answer;
    connection.receive_all(answer.data(), answer.size());
    const side_door door(connection, std::uint32_t(decode_reply(answer).received), std::chrono::seconds(20));
    for (std::uint64_t i = 0; i < 3; ++i) {
        std::byte byte;
        pattern(7).fill(i, {&byte, 1});
        byte ^= std::byte(i == 1 ? 0x40 : 0);
        stream cycle = door.connect();
        cycle.send_all(&byte, 1);
        cycle.receive_all(&byte, 1);
        EXPECT_FALSE(pattern(server_seed(7)).check(i, {&byte, 1}));
    }
    connection.receive_all(answer.data(), answer.size());
    const reply found = decode_reply(answer);
    EXPECT_EQ(found.status, reply_status::corrupt);
    EXPECT_EQ(found.difference.offset, 1u);
    EXPECT_EQ(found.difference.expected ^ found.difference.actual, 0x40);
    EXPECT_TRUE(server.logs("dropped: data corrupted"));
}

TEST_P(session_over, a_wrong_byte_of_a_short_connection_is_found_by_the_client) {
    supervisor watcher({});
    listener from(parse_address(listen_address(), address_role::listen));
    std::jthread liar([&] {
        auto accepted = from.accept(watcher);
        stream session(std::move(*accepted), from.family());
        frame ask;
        session.receive_all(ask.data(), ask.size());
        listener door(session);
        const frame ready =
            encode(reply{.status = reply_status::ready, .received = door.port(), .difference = {}});
        session.send_all(ready.data(), ready.size());
        for (std::uint64_t i = 0; i < 3; ++i) {
            auto fd = door.accept(watcher, &session);
            if (!fd)
                return;
            stream cycle(std::move(*fd), from.family());
            std::byte byte;
            cycle.receive_all(&byte, 1);
            pattern(server_seed(7)).fill(i, {&byte, 1});
            byte ^= std::byte(i == 2 ? 1 : 0);
            cycle.send_all(&byte, 1);
        }
        session.receive_some(ask.data(), 1); // until the client goes
    });
    stream connection = connect_to(parse_address(from.name(), address_role::connect), {}, watcher);
    try {
        client(connection, 7).measure_connects(5, watcher, std::chrono::seconds(20));
        ADD_FAILURE() << "nothing was found";
    } catch (const data_error& error) {
        EXPECT_EQ(error.difference().offset, 2u);
        EXPECT_EQ(error.difference().expected ^ error.difference().actual, 1);
    }
    connection.interrupt(stream::end_cause::stopped);
}

TEST_P(session_over, a_client_that_goes_between_its_connections_is_dropped) {
    test_server server(listen_address());
    supervisor watcher({});
    {
        stream connection = connect_to(server.where(), {}, watcher);
        const frame ask = ask_for_connects(3, 7);
        connection.send_all(ask.data(), ask.size());
        frame ready;
        connection.receive_all(ready.data(), ready.size());
    }
    EXPECT_TRUE(server.logs("dropped: the client went after 0 of 3 connections"));
}

TEST_P(session_over, a_time_decides_the_count) {
    test_server server(listen_address());
    supervisor watcher({});
    stream connection = connect_to(server.where(), {}, watcher);
    client user(connection, 7);
    const auto stream_for = [&](milliseconds time) {
        return user.measure_bandwidth(test_kind::stream_send, 4096, {.seconds = time, .count = {}}).seconds;
    };
    EXPECT_GE(stream_for(milliseconds(20)), 0.014);
    EXPECT_GE(stream_for(milliseconds(200)), 0.14);
    EXPECT_LT(stream_for(milliseconds(20)), 2) << "wide, because the machine may be busy";
    EXPECT_GT(user.measure_latency(1, {.seconds = milliseconds(200), .count = {}}).rounds, 4u);
}

TEST(session, a_short_tcp_stream_does_not_wait_for_a_delayed_acknowledgement) {
    test_server server("tcp:127.0.0.1:0");
    supervisor watcher({});
    stream connection = connect_to(server.where(), {}, watcher);
    client user(connection, 7);
    // 40 ms is the delay's minimum; the best of several runs is not a busy machine's fault.
    for (const auto kind : {test_kind::stream_send, test_kind::stream_receive, test_kind::stream_both}) {
        double best = 1;
        for (int run = 0; run < 10; ++run)
            best = std::min(best, user.measure_bandwidth(kind, 100, {.seconds = {}, .count = 30}).seconds);
        EXPECT_LT(best, 0.03);
    }
}

TEST_P(session_over, many_clients_at_the_same_time) {
    test_server server(listen_address());
    supervisor watcher({});
    {
        std::vector<std::jthread> threads;
        for (std::uint64_t seed = 0; seed < 8; ++seed)
            threads.emplace_back([&, seed] {
                stream connection = connect_to(server.where(), {}, watcher);
                client(connection, seed).verify(test_kind::stream_both, 10'000, 1'000'000);
            });
    }
    for (int number = 1; number <= 8; ++number)
        EXPECT_TRUE(server.logs("session " + std::to_string(number) + ": ended after 1 test"));
}

TEST_P(session_over, a_client_that_dies_does_not_end_the_server) {
    test_server server(listen_address());
    supervisor watcher({});
    {
        stream connection = connect_to(server.where(), {}, watcher);
        const frame half = encode(
            request{.kind = test_kind::stream_send, .verify = false, .size = 100, .count = 9, .seed = 1});
        connection.send_all(half.data(), half.size());
        frame ready;
        connection.receive_all(ready.data(), ready.size());
    }
    EXPECT_TRUE(server.logs("session 1: dropped"));
    stream connection = connect_to(server.where(), {}, watcher);
    EXPECT_NO_THROW(client(connection, 1).verify(test_kind::ping_pong, 10, 100));
}

TEST_P(session_over, strangers_and_hostile_requests_are_dropped) {
    test_server server(listen_address());
    supervisor watcher({});
    const auto send_frame = [&](const frame& data) -> std::optional<reply> {
        stream connection = connect_to(server.where(), {}, watcher);
        connection.send_all(data.data(), data.size());
        frame answer;
        std::size_t size = 0;
        while (size < answer.size()) {
            const std::size_t moved = connection.receive_some(answer.data() + size, answer.size() - size);
            if (moved == 0)
                return std::nullopt;
            size += moved;
        }
        return decode_reply(answer);
    };
    frame web_browser;
    std::memcpy(web_browser.data(), "GET / HTTP/1.1\r\nHost: somewhere\r\n", web_browser.size());
    EXPECT_FALSE(send_frame(web_browser));
    EXPECT_TRUE(server.logs("session 1: dropped: the other end is not xvsock perf"));

    request huge{.kind = test_kind::stream_send, .verify = false, .size = UINT32_MAX, .count = 1, .seed = 0};
    const auto refused = send_frame(encode(huge));
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->status, reply_status::bad_request);

    frame newer =
        encode(request{.kind = test_kind::ping_pong, .verify = false, .size = 1, .count = 1, .seed = 0});
    newer[4] = std::byte{99};
    const auto other_version = send_frame(newer);
    ASSERT_TRUE(other_version);
    EXPECT_EQ(other_version->status, reply_status::bad_version);
}

TEST_P(session_over, a_stalled_client_is_dropped) {
    test_server server(listen_address(), milliseconds(200));
    supervisor watcher({});
    stream connection = connect_to(server.where(), {}, watcher);
    EXPECT_TRUE(server.logs("dropped: no data moved within the time limit"));
}

TEST_P(session_over, a_stalled_server_is_noticed) {
    supervisor no_accept({});
    listener silent(parse_address(listen_address(), address_role::listen));
    supervisor watcher({.handle_signals = false, .stall_timeout = milliseconds(200)});
    stream connection = connect_to(parse_address(silent.name(), address_role::connect), {}, watcher);
    const supervisor::watch watch(watcher, connection);
    try {
        client(connection, 1).verify(test_kind::ping_pong, 1, 1);
        FAIL();
    } catch (const connection_error& error) {
        EXPECT_NE(std::string(error.what()).find("no data moved"), std::string::npos) << error.what();
    }
}

TEST_P(session_over, a_stop_ends_a_running_test) {
    test_server server(listen_address());
    supervisor watcher({});
    stream connection = connect_to(server.where(), {}, watcher);
    const supervisor::watch watch(watcher, connection);
    std::jthread stopper([&] {
        std::this_thread::sleep_for(milliseconds(100));
        watcher.request_stop();
    });
    try {
        client(connection, 1).warm_up(test_kind::stream_both, 1000, 1ull << 32);
        FAIL();
    } catch (const connection_error& error) {
        EXPECT_STREQ(error.what(), "interrupted");
    }
}

TEST(connecting, errors_say_the_likely_cause) {
    supervisor watcher({});
    const auto message = [&](const address& where) {
        try {
            connect_to(where, {}, watcher);
        } catch (const connection_error& error) {
            return std::string(error.what());
        }
        return std::string("connected");
    };
    std::uint32_t port;
    {
        const listener gone(parse_address("tcp:127.0.0.1:0", address_role::listen));
        port = gone.port();
    }
    const auto refused =
        message(parse_address("tcp:127.0.0.1:" + std::to_string(port), address_role::connect));
    EXPECT_NE(refused.find("nobody listens"), std::string::npos) << refused;
    const auto missing = message(parse_address("unix:/nonexistent/socket", address_role::connect));
    EXPECT_NE(missing.find("no such socket"), std::string::npos) << missing;
}

TEST(connecting, waits_for_a_server_that_starts_later) {
    supervisor watcher({});
    const std::string name = unique_unix_address();
    std::optional<test_server> server;
    std::jthread starter([&] {
        std::this_thread::sleep_for(milliseconds(300));
        server.emplace(name);
    });
    stream connection = connect_to(
        parse_address(name, address_role::connect),
        {.timeout = std::chrono::seconds(5), .wait = std::chrono::seconds(10), .buffer = 0}, watcher);
    starter.join();
    EXPECT_NO_THROW(client(connection, 1).verify(test_kind::ping_pong, 10, 100));
}

TEST(listening, a_dead_servers_socket_file_is_replaced_and_a_live_one_is_not) {
    const std::string path =
        std::filesystem::temp_directory_path() / ("xvsock-perf-test-" + std::to_string(getpid()) + ".socket");
    const address where = parse_address("unix:" + path, address_role::listen);
    {
        const listener live(where);
        EXPECT_THROW(listener second(where), connection_error);
        EXPECT_TRUE(std::filesystem::exists(path));
        std::filesystem::create_hard_link(path, path + ".dead");
    }
    EXPECT_FALSE(std::filesystem::exists(path)) << "a server removes its socket file";
    std::filesystem::rename(path + ".dead", path);
    EXPECT_NO_THROW(listener replaces(where));
}

TEST(listening, a_signal_stops_the_server) {
    // In a child, because the signals stay blocked in the thread that made the supervisor.
    EXPECT_EXIT(
        {
            supervisor watcher({.handle_signals = true, .stall_timeout = std::chrono::seconds(60)});
            listener from(parse_address("tcp:127.0.0.1:0", address_role::listen));
            kill(getpid(), SIGINT);
            const auto result = serve(from, watcher, {});
            _exit(watcher.stopping() && result.completed == 0 ? 0 : 1);
        },
        testing::ExitedWithCode(0), "");
}

} // namespace
} // namespace xvsock::perf
