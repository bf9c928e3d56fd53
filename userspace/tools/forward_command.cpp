// SPDX-License-Identifier: MIT
// `xvsock forward`: carries connections from one place to another.
#include "command_line.hpp"
#include "forward/relay.hpp"
#include "sockets/acceptor.hpp"
#include "subcommand.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdio>
#include <fmt/format.h>
#include <optional>

namespace xvsock {

namespace asio = boost::asio;
namespace po = boost::program_options;
using namespace forward;
using namespace sockets;
using boost::system::error_code;

namespace {

struct forward_options {
    std::vector<std::string> places;
    unsigned max = 1024;
    bool verbose = false;
};

class forwarder {
public:
    forwarder(asio::io_context& context, const forward_options& given)
        : context_(context), max_(given.max), verbose_(given.verbose),
          to_(find_place(given.places[1], address_role::connect)),
          acceptor_(context, find_place(given.places[0], address_role::listen)), room_(context) {}

    asio::awaitable<void> run() {
        for (;;) {
            while (open_ >= max_) { // the rest waits in the backlog
                error_code ignored;
                room_.expires_at(asio::steady_timer::time_point::max());
                co_await room_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
            }
            error_code error;
            auto client = co_await acceptor_.accept(error);
            if (error) { // no descriptor, or the client has gone
                say(fmt::format("a connection is not accepted: {}", error.message()));
                room_.expires_after(std::chrono::milliseconds(100));
                co_await room_.async_wait(asio::redirect_error(asio::use_awaitable, error));
                continue;
            }
            ++open_;
            asio::co_spawn(context_, serve(std::move(client), ++number_), asio::detached);
        }
    }

private:
    asio::awaitable<void> serve(stream_socket client, std::uint64_t number) {
        stream_socket server(context_);
        error_code error;
        for (const auto& one : to_.endpoints) {
            error_code ignored;
            server.close(ignored);
            co_await server.async_connect(one, asio::redirect_error(asio::use_awaitable, error));
            if (!error)
                break;
        }
        if (error) {
            say(explain(to_, address_role::connect, error));
            reset(client);
        } else {
            const auto result = co_await relay(std::move(client), std::move(server));
            if (verbose_ || result.error)
                say(fmt::format("connection {}: {} bytes there, {} back{}{}", number, result.from_first,
                                result.from_second, result.error ? ", ended by: " : "",
                                result.error ? result.error.message() : ""));
        }
        --open_;
        room_.cancel();
    }

    static void say(const std::string& text) { fmt::print(stderr, "xvsock forward: {}\n", text); }

    asio::io_context& context_;
    unsigned max_;
    bool verbose_;
    place to_;
    acceptor acceptor_;
    asio::steady_timer room_; ///< cancelled when a connection has ended
    unsigned open_ = 0;
    std::uint64_t number_ = 0;
};

} // namespace

int run_forward(const std::vector<std::string>& arguments) {
    forward_options given;
    command_line line(
        "Usage: xvsock forward [OPTION...] LISTEN CONNECT\n"
        "Accepts connections at one place and carries each to another, both ways, until both "
        "ends have closed.\n\n"
        "A place is vsock:PEER:PORT, tcp:HOST:PORT or unix:PATH. PEER is a peer's name or a CID. To "
        "listen,\nPEER and HOST may be left out.\n",
        "Exit status: 0 ended by a signal, 1 failed, 2 wrong command line.\n");
    line.add_options()("max", po::value(&given.max)->default_value(1024)->value_name("N"),
                       "connections at a time; others wait")("verbose,v", po::bool_switch(&given.verbose),
                                                             "say what each connection has carried");
    if (!line.read(arguments))
        return exit_ok;
    given.places = line.words();
    if (given.places.size() != 2)
        throw usage_error("two places are wanted: LISTEN and CONNECT");
    if (given.max == 0)
        throw usage_error("--max must be at least 1");

    asio::io_context context(1);
    std::optional<forwarder> all_connections;
    try {
        all_connections.emplace(context, given);
    } catch (const std::invalid_argument& error) {
        throw usage_error(error.what());
    }
    asio::signal_set signals(context, SIGINT, SIGTERM);
    signals.async_wait([&](const error_code&, int) { context.stop(); });
    std::exception_ptr problem;
    asio::co_spawn(context, all_connections->run(), [&](const std::exception_ptr& error) {
        problem = error;
        context.stop();
    });
    context.run();
    if (problem)
        std::rethrow_exception(problem);
    return exit_ok;
}

} // namespace xvsock
