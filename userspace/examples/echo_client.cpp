// SPDX-License-Identifier: MIT
// Sends lines of text to an echo server on many connections at once, and compares what comes back.
//   echo_client DOMAIN:PORT [CONNECTIONS] [ROUNDS]
#include <xvsock/connect.hpp>
#include <xvsock/resolver.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <iostream>
#include <string>

namespace asio = boost::asio;
using protocol = xvsock::stream_protocol;

namespace {

/// All connections stay open until each has done its rounds.
class load {
public:
    load(protocol::endpoint server, int connections, int rounds)
        : server_(server), connections_(connections), rounds_(rounds), everybody_(context_) {
        everybody_.expires_at(asio::steady_timer::time_point::max());
    }

    void run() {
        for (int i = 0; i < connections_; ++i)
            asio::co_spawn(context_, talk(i), [this](const std::exception_ptr& error) {
                if (!error)
                    return;
                context_.stop();
                std::rethrow_exception(error);
            });
        context_.run();
    }

private:
    asio::awaitable<void> talk(int number) {
        protocol::socket socket(context_);
        co_await xvsock::async_connect(socket, server_, asio::use_awaitable);
        for (int round = 0; round < rounds_; ++round) {
            const std::string sent =
                "connection " + std::to_string(number) + ", round " + std::to_string(round) + '\n';
            std::string got(sent.size(), '\0');
            co_await asio::async_write(socket, asio::buffer(sent), asio::use_awaitable);
            co_await asio::async_read(socket, asio::buffer(got), asio::use_awaitable);
            if (got != sent)
                throw std::runtime_error("sent \"" + sent + "\", got \"" + got + '"');
        }
        if (++done_ == connections_)
            everybody_.cancel();
        else
            co_await everybody_.async_wait(asio::as_tuple(asio::use_awaitable));
    }

    asio::io_context context_{1};
    protocol::endpoint server_;
    int connections_;
    int rounds_;
    int done_ = 0;
    asio::steady_timer everybody_;
};

} // namespace

int main(int argc, char** argv) {
    if (argc < 2 || argc > 4) {
        std::cerr << "usage: echo_client DOMAIN:PORT [CONNECTIONS] [ROUNDS]\n";
        return 2;
    }
    try {
        const int connections = argc > 2 ? std::stoi(argv[2]) : 1;
        const int rounds = argc > 3 ? std::stoi(argv[3]) : 100;
        load all(xvsock::resolver::resolve(argv[1]).front(), connections, rounds);
        const auto start = std::chrono::steady_clock::now();
        all.run();
        const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
        std::cout << connections << " connections of " << rounds << " round trips in " << time.count()
                  << " ms\n";
    } catch (const std::exception& error) {
        std::cerr << "echo_client: " << error.what() << '\n';
        return 1;
    }
}
