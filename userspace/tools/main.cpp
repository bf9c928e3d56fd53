// SPDX-License-Identifier: MIT
// `xvsock`: finds the subcommand and runs it.
#include "subcommand.hpp"

#include <algorithm>
#include <boost/program_options/errors.hpp>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <iostream>
#include <string_view>

namespace {

using namespace xvsock;

struct subcommand {
    std::string_view name;
    std::string_view summary;
    subcommand_function* run;
};

constexpr subcommand subcommands[] = {
    {"cat", "standard input to a socket, and the socket to standard output", run_cat},
    {"forward", "carry connections between AF_VSOCK, TCP and Unix sockets", run_forward},
    {"peers", "show this domain's peers: links, connections, bytes", run_peers},
    {"perf", "measure latency and bandwidth over AF_VSOCK, TCP or AF_UNIX", run_perf},
    {"ping", "show how long a peer's module takes to answer", run_ping},
    {"recv", "store the files that peers send", run_recv},
    {"report", "compare measured data paths, and check their ratios", run_report},
    {"resolve", "show which domain, CID and port a name means", run_resolve},
    {"run", "run a TCP program with its connections to peers carried over AF_VSOCK", run_run},
    {"send", "send files to a peer that runs recv", run_send},
    {"stat", "show what the module has counted, for each peer and connection", run_stat},
};

void print_help() {
    fmt::print("Usage: xvsock SUBCOMMAND [OPTION...]\n"
               "AF_VSOCK between Xen domains over shared memory: tools.\n\nSubcommands:\n");
    for (const subcommand& one : subcommands)
        fmt::print("  {:<10} {}\n", one.name, one.summary);
    fmt::print("\n  -h, --help  show this help; `xvsock SUBCOMMAND --help` shows a subcommand's\n"
               "  --version   show the version\n"
               "\nExit status: 0 all went well, 1 something failed, 2 wrong command line.\n");
}

int dispatch(const std::vector<std::string>& arguments) {
    if (arguments.empty())
        throw usage_error("a subcommand is missing");
    if (arguments[0] == "--help" || arguments[0] == "-h") {
        print_help();
        return exit_ok;
    }
    if (arguments[0] == "--version") {
        fmt::print("xvsock {}\n", XVSOCK_VERSION);
        return exit_ok;
    }
    for (const subcommand& one : subcommands)
        if (one.name == arguments[0])
            return one.run({arguments.begin() + 1, arguments.end()});
    throw usage_error(fmt::format("unknown subcommand '{}'", arguments[0]));
}

} // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    const bool known =
        std::any_of(std::begin(subcommands), std::end(subcommands),
                    [&](const subcommand& one) { return !arguments.empty() && one.name == arguments[0]; });
    const std::string name = known ? "xvsock " + arguments[0] : "xvsock";
    const auto refuse = [&](const std::exception& error) {
        fmt::print(stderr, "{}: {}\nTry '{} --help'.\n", name, error.what(), name);
        return exit_usage;
    };

    int status = exit_failed;
    try {
        status = dispatch(arguments);
    } catch (const usage_error& error) {
        return refuse(error);
    } catch (const boost::program_options::error& error) {
        return refuse(error);
    } catch (const std::exception& error) {
        std::fflush(stdout);
        fmt::print(stderr, "{}: {}\n", name, error.what());
        return exit_failed;
    }
    // A table that did not reach its file, as on a full disk, is a failure too.
    std::cout.flush();
    if (std::fflush(stdout) != 0 || std::ferror(stdout) || !std::cout) {
        fmt::print(stderr, "{}: cannot write the output: {}\n", name, std::strerror(errno));
        return exit_failed;
    }
    return status;
}
