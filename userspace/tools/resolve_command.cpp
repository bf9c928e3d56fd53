// SPDX-License-Identifier: MIT
// `xvsock resolve`: what the resolver makes of names.
#include "command_line.hpp"
#include "common/text_table.hpp"
#include "peers/peer_list.hpp"
#include "subcommand.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/system/system_error.hpp>
#include <cstdio>
#include <fmt/format.h>

namespace xvsock {

namespace po = boost::program_options;
namespace json = boost::json;

namespace {

struct resolved_name {
    std::string asked;
    std::string name; ///< empty for a CID that has none
    std::optional<unsigned> domid;
    stream_protocol::endpoint endpoint;
};

/// Throws std::runtime_error that says why there is no answer.
resolved_name resolve_one(const std::string& asked) {
    const std::size_t name_at = asked.starts_with("name:") ? 5 : 0;
    const bool has_port = asked.find(':', name_at) != std::string::npos;
    boost::system::error_code error;
    const auto found = has_port ? resolver::resolve(asked, error) : resolver::resolve(asked, "any", error);
    if (error == boost::asio::error::service_not_found)
        throw std::runtime_error(fmt::format("'{}': the port is no number", asked));
    if (error)
        throw std::runtime_error(peers::explain_unknown(asked, error));
    resolved_name result{.asked = asked, .name = {}, .domid = {}, .endpoint = found.front().endpoint()};
    // A number has been taken as it is; xenstore says of a peer who that is.
    if (const auto link = peers::find_link(result.endpoint.cid())) {
        result.name = link->peer.name;
        result.domid = link->domid;
    } else if (result.endpoint.cid() == dom0_cid) {
        result.domid = 0;
    }
    return result;
}

json::value number_or_null(bool known, std::uint64_t number) {
    return known ? json::value(number) : json::value(nullptr);
}

std::string json_line(const resolved_name& one) {
    json::object line{{"asked", one.asked},
                      {"name", one.name.empty() ? json::value(nullptr) : json::value(one.name)},
                      {"domid", number_or_null(one.domid.has_value(), one.domid.value_or(0))},
                      {"cid", number_or_null(one.endpoint.cid() != any_cid, one.endpoint.cid())},
                      {"port", number_or_null(one.endpoint.port() != any_port, one.endpoint.port())}};
    return json::serialize(line) + "\n";
}

void add_row(text_table& table, const resolved_name& one) {
    table.add_row({one.asked, one.name.empty() ? "-" : one.name,
                   one.domid ? fmt::format("{}", *one.domid) : "-",
                   one.endpoint.cid() == any_cid ? "any" : fmt::format("{}", one.endpoint.cid()),
                   one.endpoint.port() == any_port ? "any" : fmt::format("{}", one.endpoint.port())});
}

} // namespace

int run_resolve(const std::vector<std::string>& arguments) {
    bool as_json = false;
    command_line line(
        "Usage: xvsock resolve [OPTION...] PEER[:PORT]...\n"
        "Shows which domain, CID and port names mean. PEER is a peer's name, a CID, dom0, local\n"
        "or any; name:NAME is a name in any case.\n",
        "Exit status: 0 all are known, 1 one is not, 2 wrong command line.\n");
    line.add_options()("json", po::bool_switch(&as_json), "a line of JSON for each");
    if (!line.read(arguments))
        return exit_ok;
    if (line.words().empty())
        throw usage_error("a name is missing");

    using align = text_table::align;
    text_table table({{"asked", align::left}, {"name", align::left}, {"domid"}, {"CID"}, {"port"}});
    bool any = false;
    int status = exit_ok;
    for (const std::string& asked : line.words()) {
        try {
            const auto one = resolve_one(asked);
            if (as_json)
                fmt::print("{}", json_line(one));
            else
                add_row(table, one);
            any = true;
        } catch (const std::runtime_error& error) {
            fmt::print(stderr, "xvsock resolve: {}\n", error.what());
            status = exit_failed;
        }
    }
    if (any && !as_json)
        fmt::print("{}", table.to_string());
    return status;
}

} // namespace xvsock
