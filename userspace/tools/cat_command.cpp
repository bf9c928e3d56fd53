// SPDX-License-Identifier: MIT
// `xvsock cat`: standard input to a socket, and the socket to standard output.
#include "cat/pump.hpp"
#include "command_line.hpp"
#include "sockets/acceptor.hpp"
#include "sockets/connect.hpp"
#include "subcommand.hpp"

#include <boost/asio/signal_set.hpp>
#include <cstdio>
#include <fmt/format.h>

#include <unistd.h>

namespace xvsock {

namespace po = boost::program_options;
using boost::system::error_code;

namespace {

void say_of_cat(const std::string& text) {
    fmt::print(stderr, "xvsock cat: {}\n", text);
}

/// The one connection; without a value when a signal came first.
std::optional<sockets::stream_socket> accept_for_cat(boost::asio::io_context& context,
                                                     const sockets::place& where, bool verbose) {
    sockets::acceptor listener(context, where);
    boost::asio::signal_set signals(context, SIGINT, SIGTERM);
    signals.async_wait([&](const error_code& error, int) {
        if (!error)
            context.stop();
    });
    if (verbose)
        say_of_cat(fmt::format("listening at {}", where.text));
    error_code error;
    auto made = listener.accept_now(error, [](const sockets::protocol::endpoint& stranger) {
        say_of_cat(fmt::format("{} is not whom the connection is wanted from", sockets::name_of(stranger)));
    });
    if (error)
        throw std::runtime_error(fmt::format("cannot accept at {}: {}", where.text, error.message()));
    if (!made)
        return std::nullopt;
    if (verbose)
        say_of_cat(fmt::format("connected with {}", sockets::name_of(made->remote)));
    return std::move(made->socket);
}

} // namespace

int run_cat(const std::vector<std::string>& arguments) {
    std::string listen;
    bool verbose = false;
    seconds_option timeout{"10"};
    command_line line(
        "Usage: xvsock cat [OPTION...] PEER:PORT\n"
        "       xvsock cat [OPTION...] --listen [PEER:]PORT\n"
        "Sends standard input to a socket, and writes what comes from it to standard output, until "
        "both have\n"
        "ended. PEER is a peer's name or a CID; tcp:HOST:PORT and unix:PATH do, too.\n",
        "Exit status: 0 all has gone both ways, 1 failed or something is lost, 2 wrong command "
        "line.\n");
    line.add_options()("listen,l", po::value(&listen)->value_name("ADDRESS"),
                       "wait for one connection, with PEER from this peer only")(
        "timeout", po::value(&timeout.text)->value_name("S"), "how long connecting may take (default 10)")(
        "verbose,v", po::bool_switch(&verbose), "say with whom it is connected");
    if (!line.read(arguments))
        return exit_ok;
    if (line.words().size() != (listen.empty() ? 1U : 0U))
        throw usage_error("give one address to connect to, or --listen and one to listen at");

    boost::asio::io_context context(1);
    std::optional<sockets::stream_socket> socket;
    const auto limit = timeout.value("timeout");
    try {
        if (listen.empty()) {
            socket = sockets::connect(context, sockets::find_peer(line.words().front()), limit);
            if (verbose)
                say_of_cat(fmt::format("connected with {}", line.words().front()));
        } else {
            socket = accept_for_cat(context, sockets::find_listener(listen), verbose);
        }
    } catch (const std::invalid_argument& error) {
        throw usage_error(error.what());
    }
    if (!socket)
        throw std::runtime_error("interrupted before anybody connected");
    const sockets::blocking_socket connection(*std::move(socket));
    cat::pump(connection.fd(), STDIN_FILENO, STDOUT_FILENO);
    return exit_ok;
}

} // namespace xvsock
