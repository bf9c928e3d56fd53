// SPDX-License-Identifier: MIT
// Gives back what it gets, to any number of clients.
//   echo_server PORT [THREADS]
#include <xvsock/stream_protocol.hpp>

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>
#include <iostream>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using protocol = xvsock::stream_protocol;

namespace {

asio::awaitable<void> serve(protocol::socket client) {
    try {
        std::array<char, 65536> data;
        for (;;) {
            const auto size = co_await client.async_read_some(asio::buffer(data), asio::use_awaitable);
            co_await asio::async_write(client, asio::buffer(data, size), asio::use_awaitable);
        }
    } catch (const boost::system::system_error& error) {
        if (error.code() != asio::error::eof)
            std::clog << "a client: " << error.code().message() << '\n';
    }
}

asio::awaitable<void> listen(protocol::acceptor acceptor) {
    for (;;) {
        bool failed = false;
        try {
            auto client = co_await acceptor.async_accept(asio::use_awaitable);
            asio::co_spawn(acceptor.get_executor(), serve(std::move(client)), asio::detached);
        } catch (const boost::system::system_error& error) {
            std::cerr << "accepting: " << error.code().message() << '\n';
            failed = true;
        }
        if (failed) { // such as too many open files: there may be room again
            asio::steady_timer pause(acceptor.get_executor(), std::chrono::milliseconds(100));
            co_await pause.async_wait(asio::use_awaitable);
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3) {
        std::cerr << "usage: echo_server PORT [THREADS]\n";
        return 2;
    }
    try {
        const int threads = argc > 2 ? std::stoi(argv[2]) : 1;
        asio::io_context context(threads);
        protocol::acceptor acceptor(context, protocol::endpoint(std::stoul(argv[1])));
        std::cout << "listening on " << acceptor.local_endpoint() << std::endl;
        asio::co_spawn(context, listen(std::move(acceptor)), asio::detached);
        asio::signal_set signals(context, SIGINT, SIGTERM);
        signals.async_wait([&](boost::system::error_code, int) { context.stop(); });
        std::vector<std::jthread> others;
        for (int i = 1; i < threads; ++i)
            others.emplace_back([&] { context.run(); });
        context.run();
    } catch (const std::exception& error) {
        std::cerr << "echo_server: " << error.what() << '\n';
        return 1;
    }
}
