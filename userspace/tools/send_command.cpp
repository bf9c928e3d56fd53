// SPDX-License-Identifier: MIT
// `xvsock send`: files to a peer that runs `xvsock recv`.
#include "command_line.hpp"
#include "sockets/connect.hpp"
#include "subcommand.hpp"
#include "transfer/report.hpp"

#include <cstdio>
#include <fmt/format.h>

#include <unistd.h>

namespace xvsock {

namespace po = boost::program_options;

namespace {

struct send_options {
    std::vector<std::string> files;
    std::string peer;
    bool progress = false;
    bool json = false;
    bool verbose = false;
};

void show_sent(const send_options& given, const transfer::outcome& result) {
    if (given.json)
        fmt::print("{}", transfer::format_outcome_json(given.peer, result));
    if (!result.problem.empty())
        fmt::print(stderr, "xvsock send: {}", transfer::format_outcome(given.peer, result));
    else if (given.verbose && !given.json)
        fmt::print("{}", transfer::format_outcome(given.peer, result));
    std::fflush(stdout);
}

/// Returns the exit status.
int send_all_files(const send_options& given, transfer::channel& channel) {
    transfer::sender sender(channel, given.progress ? stderr : nullptr);
    int status = exit_ok;
    for (std::size_t i = 0; i < given.files.size(); ++i) {
        try {
            const auto result = sender.send(given.files[i]);
            show_sent(given, result);
            if (!result.problem.empty())
                status = exit_failed;
        } catch (const std::runtime_error& error) { // of the connection
            transfer::outcome result;
            result.name = given.files[i];
            result.problem = error.what();
            show_sent(given, result);
            if (const auto rest = given.files.size() - i - 1; rest != 0)
                fmt::print(stderr, "xvsock send: {} more {} not sent\n", rest,
                           rest == 1 ? "file is" : "files are");
            return exit_failed;
        }
    }
    return status;
}

} // namespace

int run_send(const std::vector<std::string>& arguments) {
    send_options given;
    seconds_option timeout{"60"};
    command_line line("Usage: xvsock send [OPTION...] FILE... PEER[:PORT]\n"
                      "Sends files to a peer that runs `xvsock recv`. What an earlier attempt has left there "
                      "is not sent again,\n"
                      "and the checksum of the whole is compared. PEER is a peer's name or a CID; without "
                      "PORT it is 30323.\n"
                      "tcp:HOST:PORT and unix:PATH do, too.\n",
                      "Exit status: 0 all files are stored there, 1 one is not, 2 wrong command line.\n");
    line.add_options()("progress", po::bool_switch(&given.progress),
                       "show how far it is, also where standard error is no terminal")(
        "timeout", po::value(&timeout.text)->value_name("S"),
        "give up when connecting takes, or no data moves for, S seconds (default 60)")(
        "json", po::bool_switch(&given.json), "a line of JSON for each file")(
        "verbose,v", po::bool_switch(&given.verbose), "say what was sent, and how fast");
    if (!line.read(arguments))
        return exit_ok;
    if (line.words().size() < 2)
        throw usage_error("at least one file and a peer are wanted: FILE... PEER[:PORT]");
    given.files.assign(line.words().begin(), line.words().end() - 1);
    given.peer = line.words().back();
    given.progress = given.progress || ::isatty(STDERR_FILENO) != 0;
    const auto limit = timeout.value("timeout");

    boost::asio::io_context context(1);
    std::optional<sockets::place> peer;
    try {
        peer = sockets::find_peer(given.peer, transfer::default_port);
    } catch (const std::invalid_argument& error) {
        throw usage_error(error.what());
    }
    const sockets::blocking_socket connection(sockets::connect(context, *peer, limit));
    transfer::channel channel(connection.fd(), limit);
    try {
        channel.greet();
        return send_all_files(given, channel);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(fmt::format("{}: {}", peer->text, error.what()));
    }
}

} // namespace xvsock
