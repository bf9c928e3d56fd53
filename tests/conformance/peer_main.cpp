// SPDX-License-Identifier: MIT
// conformance-peer PORT: runs the server side of the tests for conformance-run, which asks for it over TCP.
//
//   > {"argv": [...], "listens": 5001}         what to run, and the TCP port that it will listen on (0: none)
//   < {"started": true}                        it listens now, or has ended
//   > {"stop": true}                           kill it; a lost connection means the same
//   < {"succeeded": false, "end": "exit status 1", "output": "..."}
#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "lines.hpp"
#include "test_program.hpp"

namespace asio = boost::asio;
namespace json = boost::json;
using asio::ip::tcp;
using namespace std::chrono_literals;
using namespace xvsock::conformance;

namespace {

// Until it listens: older suites hold back what they print, so only the kernel can tell.
asio::awaitable<void> until_it_listens(std::shared_ptr<test_program> program, unsigned short port) {
    asio::steady_timer pause(co_await asio::this_coro::executor);
    for (int tries = 0; port != 0 && tries < 1000 && !program->ended() && !tcp_port_listens(port); ++tries) {
        pause.expires_after(10ms);
        co_await pause.async_wait(asio::use_awaitable);
    }
}

// Until the other end asks to stop, or is gone.
asio::awaitable<void> until_stop(line_channel& channel) {
    try {
        co_await channel.read();
    } catch (const boost::system::system_error& error) {
        if (error.code() == asio::error::operation_aborted)
            throw;
    }
}

asio::awaitable<void> until_end(std::shared_ptr<test_program> program, asio::steady_timer& ended) {
    boost::system::error_code woken;
    while (!program->ended())
        co_await ended.async_wait(asio::redirect_error(asio::use_awaitable, woken));
}

asio::awaitable<void> serve(tcp::socket socket) {
    using namespace asio::experimental::awaitable_operators;
    const auto executor = co_await asio::this_coro::executor;
    line_channel channel(std::move(socket));
    const auto request = co_await channel.read();
    std::vector<std::string> argv;
    for (const auto& word : request.at("argv").as_array())
        argv.emplace_back(word.as_string());
    const auto ended = std::make_shared<asio::steady_timer>(executor, asio::steady_timer::time_point::max());
    const auto program = test_program::start(executor, argv, [ended] { ended->cancel(); });
    co_await until_it_listens(program, request.at("listens").to_number<unsigned short>());
    json::object started{{"started", true}};
    co_await channel.write(std::move(started));
    const auto first = co_await (until_end(program, *ended) || until_stop(channel));
    if (first.index() == 1)
        program->kill();
    co_await until_end(program, *ended);
    json::object result{
        {"succeeded", program->succeeded()}, {"end", program->end()}, {"output", program->output()}};
    co_await channel.write(std::move(result));
}

asio::awaitable<void> accept_all(unsigned short port) {
    const auto executor = co_await asio::this_coro::executor;
    tcp::acceptor acceptor(executor, {tcp::v4(), port});
    std::puts("conformance-peer is up");
    std::fflush(stdout);
    for (;;) {
        auto socket = co_await acceptor.async_accept(asio::use_awaitable);
        asio::co_spawn(executor, serve(std::move(socket)), [](const std::exception_ptr& error) {
            try {
                if (error)
                    std::rethrow_exception(error);
            } catch (const std::exception& reason) {
                std::cerr << "conformance-peer: " << reason.what() << '\n';
            }
        });
    }
}

} // namespace

int main(int argc, char** argv) {
    try {
        if (argc != 2) {
            std::cerr << "usage: conformance-peer PORT\n";
            return 2;
        }
        asio::io_context context;
        std::exception_ptr problem;
        asio::co_spawn(context, accept_all(static_cast<unsigned short>(std::stoul(argv[1]))),
                       [&](const std::exception_ptr& error) { problem = error; });
        context.run();
        if (problem)
            std::rethrow_exception(problem);
    } catch (const std::exception& error) {
        std::cerr << "conformance-peer: " << error.what() << '\n';
    }
    return 1; // it ends only by being killed, or by failing
}
