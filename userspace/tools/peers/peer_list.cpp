// SPDX-License-Identifier: MIT
#include "peers/peer_list.hpp"

#include "common/text_table.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace xvsock::peers {

namespace json = boost::json;

namespace {

constexpr std::size_t longest_accept = 32; // in the table

std::optional<std::uint64_t> sum(std::optional<std::uint64_t> a, std::optional<std::uint64_t> b) {
    return a || b ? std::optional(a.value_or(0) + b.value_or(0)) : std::nullopt;
}

std::string text_of(const std::optional<std::uint64_t>& number) {
    return number ? fmt::format("{}", *number) : "-";
}

json::value json_of(const std::optional<std::uint64_t>& number) {
    return number ? json::value(*number) : json::value(nullptr);
}

/// As much as fits; the JSON has all of it.
std::string short_text_of(const std::string& text) {
    if (text.size() > longest_accept)
        return text.substr(0, longest_accept - 3) + "...";
    return text.empty() ? "-" : text;
}

json::value json_of(const std::string& text) {
    return text.empty() ? json::value(nullptr) : json::value(text);
}

peer& entry_for(std::vector<peer>& list, cid_type cid) {
    const auto found = std::ranges::find(list, cid, &peer::cid);
    if (found != list.end())
        return *found;
    list.emplace_back().cid = cid;
    return list.back();
}

std::optional<std::vector<known_link>> links_if_known() {
    try {
        return read_links();
    } catch (const boost::system::system_error&) {
        return std::nullopt;
    }
}

/// The lower one; without a value, there is no limit.
void lower(std::optional<std::uint64_t>& limit, const std::optional<std::uint64_t>& other) {
    if (other)
        limit = std::min(limit.value_or(*other), *other);
}

/// A line when dom0 limits what this domain has with all its peers. The module, too, takes the lowest that
/// the links say.
std::string sum_of_limits(const std::vector<peer>& list) {
    std::optional<std::uint64_t> connections, memory;
    for (const peer& one : list) {
        lower(connections, one.domain_max_connections);
        lower(memory, one.domain_max_memory);
    }
    if (!connections && !memory)
        return "";
    return fmt::format("all peers together: max-connections {}, max-memory {}\n", text_of(connections),
                       text_of(memory));
}

} // namespace

std::vector<known_link> read_links() {
    boost::asio::io_context context;
    xenstore::client store(context.get_executor());
    std::vector<known_link> links;
    boost::system::error_code error;
    store.async_run([](const xenstore::view& nodes) { return list_links(nodes); },
                    [&](boost::system::error_code failure, std::vector<known_link> found) {
                        error = failure;
                        links = std::move(found);
                    });
    context.run();
    if (error)
        throw boost::system::system_error(error, "xenstore");
    return links;
}

std::vector<peer> merge(const std::vector<known_link>& links, const counters::snapshot* counted) {
    std::vector<peer> list;
    for (const known_link& link : links)
        list.push_back({.name = link.peer.name,
                        .domid = link.domid,
                        .cid = link.peer.cid,
                        .plain = link.plain,
                        .state = xenstore::state_word(link.state),
                        .connections = {},
                        .sent_bytes = {},
                        .received_bytes = {},
                        .max_connections = link.max_connections,
                        .max_memory = link.max_memory,
                        .domain_max_connections = link.domain_max_connections,
                        .domain_max_memory = link.domain_max_memory,
                        .accept = link.accept});
    if (counted)
        for (const counters::entry& one : counted->peers) {
            peer& here = entry_for(list, cid_type(one.number("cid").value_or(0)));
            if (!here.domid)
                here.domid = one.number("domid");
            here.connections = sum(one.number("initiated"), one.number("accepted"));
            here.sent_bytes = one.number("tx_bytes");
            here.received_bytes = one.number("rx_bytes");
        }
    std::ranges::sort(list, {}, &peer::cid);
    return list;
}

std::string format_table(const std::vector<peer>& list) {
    using align = text_table::align;
    text_table table({{"name", align::left},
                      {"domid"},
                      {"CID"},
                      {"kind", align::left},
                      {"state", align::left},
                      {"connections"},
                      {"sent"},
                      {"received"},
                      {"max-connections"},
                      {"max-memory"},
                      {"accept", align::left}});
    for (const peer& one : list)
        table.add_row({one.name.empty() ? "-" : one.name, text_of(one.domid), fmt::format("{}", one.cid),
                       one.state.empty() ? "-"
                       : one.plain       ? "plain"
                                         : "module",
                       one.state.empty() ? "-" : one.state, text_of(one.connections), text_of(one.sent_bytes),
                       text_of(one.received_bytes), text_of(one.max_connections), text_of(one.max_memory),
                       short_text_of(one.accept)});
    return table.to_string() + sum_of_limits(list);
}

std::string format_json(const std::vector<peer>& list, const std::vector<std::string>& problems) {
    json::array peers;
    for (const peer& one : list)
        peers.push_back(json::object{
            {"name", json_of(one.name)},
            {"domid", json_of(one.domid)},
            {"cid", one.cid},
            {"kind", one.state.empty() ? json::value(nullptr) : json::value(one.plain ? "plain" : "module")},
            {"state", json_of(one.state)},
            {"connections", json_of(one.connections)},
            {"sent_bytes", json_of(one.sent_bytes)},
            {"received_bytes", json_of(one.received_bytes)},
            {"max_connections", json_of(one.max_connections)},
            {"max_memory", json_of(one.max_memory)},
            {"domain_max_connections", json_of(one.domain_max_connections)},
            {"domain_max_memory", json_of(one.domain_max_memory)},
            {"accept", json_of(one.accept)}});
    json::object root;
    root["peers"] = std::move(peers);
    root["problems"] = json::array(problems.begin(), problems.end());
    return json::serialize(root) + "\n";
}

std::string known_names(const std::vector<known_link>& links) {
    std::vector<std::string> names;
    for (const known_link& link : links)
        names.push_back(link.peer.name.empty() ? fmt::format("CID {}", link.peer.cid) : link.peer.name);
    if (names.empty())
        return "this domain has no peers";
    if (names.size() == 1)
        return fmt::format("the only peer is {}", names[0]);
    return fmt::format("the peers are {}", fmt::join(names, ", "));
}

std::string explain_unknown(const std::string& name, const boost::system::error_code& error) {
    if (error == boost::asio::error::host_not_found_try_again)
        return fmt::format("several peers have the name in '{}': give the CID", name);
    if (error == boost::asio::error::host_not_found)
        if (const auto links = links_if_known())
            return fmt::format("no peer has the name in '{}'; {}", name, known_names(*links));
    return fmt::format("names are not known without xenstore, which cannot be asked ({}); a CID needs none",
                       error.message());
}

std::string name_of(cid_type cid) {
    const auto link = find_link(cid);
    return link && !link->peer.name.empty() ? link->peer.name : fmt::format("CID {}", cid);
}

std::optional<known_link> find_link(cid_type cid) {
    if (const auto links = links_if_known())
        for (const known_link& link : *links)
            if (link.peer.cid == cid)
                return link;
    return std::nullopt;
}

} // namespace xvsock::peers
