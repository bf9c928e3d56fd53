// SPDX-License-Identifier: MIT
// `xvsock peers`: with whom this domain may talk, and how much it does.
#include "command_line.hpp"
#include "peers/peer_list.hpp"
#include "subcommand.hpp"

#include <boost/system/system_error.hpp>
#include <cstdio>
#include <fmt/format.h>

namespace xvsock {

namespace po = boost::program_options;

int run_peers(const std::vector<std::string>& arguments) {
    bool as_json = false, only_names = false;
    std::string debugfs;
    command_line line("Usage: xvsock peers [OPTION...]\n"
                      "Shows the peers of this domain: the states of their links, from xenstore, and the "
                      "connections\n"
                      "and bytes that the module has counted.\n",
                      "Exit status: 0 shown, also if a part is not known, which is then said; 1 nothing is "
                      "known; 2 wrong\ncommand line.\n");
    line.add_options()("json", po::bool_switch(&as_json), "a line of JSON")(
        "names", po::bool_switch(&only_names), "only the names, one on a line")(
        "debugfs", po::value(&debugfs)->default_value("/sys/kernel/debug")->value_name("DIR"),
        "where debugfs is mounted");
    if (!line.read(arguments))
        return exit_ok;
    if (!line.words().empty())
        throw usage_error(fmt::format("'{}' is one word too many", line.words().front()));
    if (only_names && as_json)
        throw usage_error("give one of --names and --json");

    std::vector<std::string> problems;
    std::vector<known_link> links;
    try {
        links = peers::read_links();
    } catch (const boost::system::system_error& error) {
        problems.push_back(
            fmt::format("links and names are not known: xenstore cannot be asked: {}; is this a "
                        "Xen domain, and may this user open /dev/xen/xenbus?",
                        error.code().message()));
    }
    const bool has_links = problems.empty();
    if (only_names) {
        if (!has_links)
            throw std::runtime_error(problems.front());
        for (const known_link& link : links)
            if (!link.peer.name.empty())
                fmt::print("{}\n", link.peer.name);
        return exit_ok;
    }
    std::optional<counters::snapshot> counted;
    try {
        counted = counters::read_snapshot(debugfs);
    } catch (const std::runtime_error& error) {
        problems.push_back(fmt::format("connections and bytes are not known: {}", error.what()));
    }

    const auto list = peers::merge(links, counted ? &*counted : nullptr);
    if (as_json)
        fmt::print("{}", peers::format_json(list, problems));
    else if (!list.empty())
        fmt::print("{}", peers::format_table(list));
    else if (has_links)
        fmt::print("{}: dom0 makes links with xvsock-peer add\n", peers::known_names(links));
    std::fflush(stdout);
    for (const std::string& problem : problems)
        fmt::print(stderr, "xvsock peers: {}\n", problem);
    return has_links || counted ? exit_ok : exit_failed;
}

} // namespace xvsock
