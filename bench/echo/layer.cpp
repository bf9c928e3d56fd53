// SPDX-License-Identifier: MIT
#include "echo_loop.hpp"

#include <xvsock/connect.hpp>

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <thread>
#include <vector>

namespace xvsock::bench {

namespace asio = boost::asio;
using protocol = stream_protocol;

namespace {

asio::awaitable<void> serve_client(protocol::socket client) {
    std::array<char, buffer_size> data{};
    try {
        for (;;) {
            const auto got = co_await client.async_read_some(asio::buffer(data), asio::use_awaitable);
            co_await asio::async_write(client, asio::buffer(data, got), asio::use_awaitable);
        }
    } catch (const boost::system::system_error&) { // the client has gone
    }
}

asio::awaitable<void> accept_clients(protocol::acceptor& acceptor) {
    for (;;) {
        auto client = co_await acceptor.async_accept(asio::use_awaitable);
        asio::co_spawn(acceptor.get_executor(), serve_client(std::move(client)), asio::detached);
    }
}

asio::awaitable<void> exchange(protocol::socket& socket, unsigned rounds) {
    const std::array<char, message_size> message{};
    std::array<char, buffer_size> data{};
    for (unsigned round = 0; round < rounds; ++round) {
        co_await asio::async_write(socket, asio::buffer(message), asio::use_awaitable);
        for (std::size_t got = 0; got < message_size;)
            got += co_await socket.async_read_some(asio::buffer(data), asio::use_awaitable);
    }
}

} // namespace

void serve_layer(std::uint32_t port, unsigned threads) {
    asio::io_context context(static_cast<int>(threads));
    protocol::acceptor acceptor(context, protocol::endpoint(port));
    asio::co_spawn(context, accept_clients(acceptor),
                   [](const std::exception_ptr& error) { std::rethrow_exception(error); });
    std::vector<std::jthread> others;
    for (unsigned i = 1; i < threads; ++i)
        others.emplace_back([&] { context.run(); });
    context.run();
}

std::int64_t run_layer(const echo_load& load) {
    asio::io_context context(1);
    std::vector<protocol::socket> sockets;
    for (unsigned i = 0; i < load.connections; ++i)
        connect(sockets.emplace_back(context), {load.cid, load.port});
    for (auto& socket : sockets)
        asio::co_spawn(context, exchange(socket, load.rounds), [](const std::exception_ptr& error) {
            if (error)
                std::rethrow_exception(error);
        });
    const auto start = std::chrono::steady_clock::now();
    context.run();
    return std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
}

std::int64_t run_blocking_layer(const echo_load& load) {
    asio::io_context context(1);
    protocol::socket socket(context);
    connect(socket, {load.cid, load.port});
    const std::array<char, message_size> message{};
    std::array<char, buffer_size> data{};
    const auto start = std::chrono::steady_clock::now();
    for (unsigned round = 0; round < load.rounds; ++round) {
        asio::write(socket, asio::buffer(message));
        for (std::size_t got = 0; got < message_size;)
            got += socket.read_some(asio::buffer(data));
    }
    return std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
}

} // namespace xvsock::bench
