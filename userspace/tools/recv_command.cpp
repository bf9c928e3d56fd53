// SPDX-License-Identifier: MIT
// `xvsock recv`: takes files from peers that run `xvsock send`.
#include "command_line.hpp"
#include "subcommand.hpp"
#include "transfer/partial_file.hpp"
#include "transfer/report.hpp"
#include "transfer/server.hpp"

#include <cstdio>
#include <fmt/format.h>

#include <unistd.h>

namespace xvsock {

namespace po = boost::program_options;

int run_recv(const std::vector<std::string>& arguments) {
    std::string listen = fmt::format("{}", transfer::default_port);
    bool progress = false, as_json = false, verbose = false;
    seconds_option timeout{"60"};
    transfer::server_options given;
    command_line line("Usage: xvsock recv [OPTION...] [DIR]\n"
                      "Stores the files that peers send with `xvsock send` in DIR, by default the current "
                      "folder. A file is\n"
                      "NAME.part until it is complete and its checksum is right. What was received before a "
                      "connection broke is\n"
                      "not sent again.\n",
                      "Exit status: 0 ended by a signal, or all files of --once are stored; 1 failed; 2 "
                      "wrong command line.\n");
    line.add_options()("listen,l", po::value(&listen)->value_name("ADDRESS"),
                       "listen at [PEER:]PORT, with PEER for this peer only; default 30323")(
        "once", po::bool_switch(&given.once), "end after one sender")(
        "force", po::bool_switch(&given.files.may_replace),
        "replace files that exist")("progress", po::bool_switch(&progress),
                                    "show how far it is, also where standard error is no terminal")(
        "timeout", po::value(&timeout.text)->value_name("S"),
        "give up a sender that is silent for S seconds (default 60)")("json", po::bool_switch(&as_json),
                                                                      "a line of JSON for each file")(
        "verbose,v", po::bool_switch(&verbose), "say what was received, and how fast");
    if (!line.read(arguments))
        return exit_ok;
    if (line.words().size() > 1)
        throw usage_error("one folder is wanted at most");
    given.timeout = timeout.value("timeout");
    given.files.progress = progress || ::isatty(STDERR_FILENO) != 0 ? stderr : nullptr;
    given.tell = [&](const std::string& peer, const transfer::outcome& result) {
        if (as_json)
            fmt::print("{}", transfer::format_outcome_json(peer, result));
        if (!result.problem.empty())
            fmt::print(stderr, "xvsock recv: {}", transfer::format_outcome(peer, result));
        else if (verbose && !as_json)
            fmt::print("{}", transfer::format_outcome(peer, result));
        std::fflush(stdout);
    };
    given.complain = [&](const std::string& peer, const std::string& what) {
        fmt::print(stderr, "xvsock recv: {}: {}\n", peer, what);
    };

    const auto folder = transfer::open_folder(line.words().empty() ? "." : line.words().front());
    given.files.folder = folder.get();
    boost::asio::io_context context(1);
    std::optional<sockets::place> where;
    try {
        where = sockets::find_listener(listen);
    } catch (const std::invalid_argument& error) {
        throw usage_error(error.what());
    }
    transfer::server server(context, *where, given);
    if (verbose)
        fmt::print(stderr, "xvsock recv: listening at {}\n", where->text);
    return server.run() ? exit_ok : exit_failed;
}

} // namespace xvsock
