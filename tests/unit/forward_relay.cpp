// SPDX-License-Identifier: MIT
// Streams that are carried, over TCP and Unix sockets: every byte, every half that is closed, and every
// error.
#include "forward/relay.hpp"

#include <gtest/gtest.h>

#include <array>
#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <numeric>
#include <vector>

namespace xvsock::forward {
namespace {

namespace asio = boost::asio;
using asio::use_awaitable;
using asio::ip::tcp;
using boost::system::error_code;
using namespace asio::experimental::awaitable_operators;
using namespace std::chrono_literals;

constexpr auto with_error = asio::as_tuple(use_awaitable);

/// client - first | second - server, with the relay between the two in the middle.
class forward_relay : public testing::Test {
protected:
    std::pair<tcp::socket, stream_socket> tcp_pair() {
        tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
        tcp::socket outer(context);
        outer.connect(acceptor.local_endpoint());
        return {std::move(outer), stream_socket(acceptor.accept())};
    }

    template <typename Body> void run(Body body) {
        std::exception_ptr problem;
        asio::co_spawn(context, std::move(body), [&](const std::exception_ptr& error) { problem = error; });
        context.run_for(20s);
        if (problem)
            std::rethrow_exception(problem);
        ASSERT_TRUE(context.stopped()) << "something is still waiting";
    }

    /// Sends all, closes that half, and reads to the end.
    static asio::awaitable<std::vector<char>> exchange(tcp::socket& socket, const std::vector<char>& sent) {
        auto send = [](tcp::socket& to, const std::vector<char>& bytes) -> asio::awaitable<void> {
            co_await asio::async_write(to, asio::buffer(bytes), use_awaitable);
            to.shutdown(tcp::socket::shutdown_send);
        };
        auto receive = [](tcp::socket& from) -> asio::awaitable<std::vector<char>> {
            std::vector<char> got;
            auto buffer = asio::dynamic_buffer(got);
            co_await asio::async_read(from, buffer, with_error);
            co_return got;
        };
        auto sending = send(socket, sent);
        auto receiving = receive(socket);
        co_return co_await (std::move(sending) && std::move(receiving));
    }

    asio::io_context context;
};

std::vector<char> bytes_of(std::size_t size, char first) {
    std::vector<char> bytes(size);
    std::iota(bytes.begin(), bytes.end(), first);
    return bytes;
}

TEST_F(forward_relay, carries_both_ways_at_once) {
    auto [client, first] = tcp_pair();
    auto [server, second] = tcp_pair();
    const auto there = bytes_of(3'000'000, 1);
    const auto back = bytes_of(2'000'000, 2);
    run([&]() -> asio::awaitable<void> {
        auto relaying = relay(std::move(first), std::move(second));
        auto at_client = exchange(client, there);
        auto at_server = exchange(server, back);
        const auto [result, got_back, got_there] =
            co_await (std::move(relaying) && std::move(at_client) && std::move(at_server));
        EXPECT_EQ(got_there, there);
        EXPECT_EQ(got_back, back);
        EXPECT_EQ(result.from_first, there.size());
        EXPECT_EQ(result.from_second, back.size());
        EXPECT_FALSE(result.error) << result.error.message();
    });
}

TEST_F(forward_relay, passes_a_closed_half_on_while_the_other_goes_on) {
    auto [client, first] = tcp_pair();
    auto [server, second] = tcp_pair();
    run([&]() -> asio::awaitable<void> {
        auto use = [&]() -> asio::awaitable<void> {
            client.shutdown(tcp::socket::shutdown_send);
            std::array<char, 4> data{};
            const auto [error, size] = co_await server.async_read_some(asio::buffer(data), with_error);
            EXPECT_EQ(error, asio::error::eof);
            co_await asio::async_write(server, asio::buffer("late", 4), use_awaitable);
            co_await asio::async_read(client, asio::buffer(data), use_awaitable);
            EXPECT_EQ(std::string(data.data(), 4), "late");
            server.close();
            const auto [end, nothing] = co_await client.async_read_some(asio::buffer(data), with_error);
            EXPECT_EQ(end, asio::error::eof);
        };
        auto relaying = relay(std::move(first), std::move(second));
        auto using_it = use();
        const auto result = co_await (std::move(relaying) && std::move(using_it));
        EXPECT_EQ(result.from_second, 4U);
        EXPECT_FALSE(result.error) << result.error.message();
    });
}

TEST_F(forward_relay, passes_a_reset_on) {
    auto [client, first] = tcp_pair();
    auto [server, second] = tcp_pair();
    run([&]() -> asio::awaitable<void> {
        auto use = [&]() -> asio::awaitable<void> {
            std::array<char, 1> data{};
            co_await asio::async_write(server, asio::buffer("x", 1), use_awaitable);
            co_await asio::async_read(client, asio::buffer(data), use_awaitable);
            server.set_option(asio::socket_base::linger(true, 0));
            server.close();
            const auto [error, size] = co_await client.async_read_some(asio::buffer(data), with_error);
            EXPECT_EQ(error, asio::error::connection_reset);
        };
        auto relaying = relay(std::move(first), std::move(second));
        auto using_it = use();
        const auto result = co_await (std::move(relaying) && std::move(using_it));
        EXPECT_EQ(result.error, asio::error::connection_reset);
    });
}

TEST_F(forward_relay, does_not_read_ahead_of_who_does_not_read) {
    auto [client, first] = tcp_pair();
    auto [server, second] = tcp_pair();
    std::size_t written = 0;
    const std::vector<char> piece(1'000'000);
    asio::co_spawn(context, relay(std::move(first), std::move(second)), asio::detached);
    asio::co_spawn(
        context,
        [&]() -> asio::awaitable<void> {
            for (;;)
                written += co_await client.async_write_some(asio::buffer(piece), use_awaitable);
        },
        asio::detached);
    context.run_for(1s);
    const auto before = written;
    context.run_for(500ms);
    EXPECT_EQ(written, before);
    EXPECT_LT(written, 100'000'000U);
    client.close();
    server.close();
    context.run_for(10s);
    EXPECT_TRUE(context.stopped());
}

} // namespace
} // namespace xvsock::forward
