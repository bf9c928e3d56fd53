// SPDX-License-Identifier: MIT
#include "plain_link.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

namespace xvsock::peer {

using xenstore::owned_by;
using xenstore::view;

namespace {

constexpr const char* initialising = "1"; // XenbusStateInitialising
constexpr const char* connected = "4";    // XenbusStateConnected
constexpr std::uint32_t any_port = 0xffffffff;

std::uint32_t parse_port(const std::string& text) {
    std::uint32_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == any_port)
        throw port_error(fmt::format("'{}' is no port: a list of numbers from 0 to {} is wanted, as in 22,80",
                                     text, any_port - 1));
    return port;
}

/// A plain link is looked for at the module's half, which says who the other is.
std::optional<plain_status> status_of(const view& store, const plain_ends& ends) {
    const link_layout layout = make_plain_layout(ends, {});
    const std::string& half = layout.frontend_path;
    if (!store.exists(half) && !store.exists(layout.backend_path))
        return std::nullopt;
    plain_status found{.ends = ends,
                       .ports = {.connect = store.read(half + "/connect").value_or(""),
                                 .accept = store.read(half + "/accept").value_or("")},
                       .state =
                           store.exists(half) ? state_word(store.read(half + "/state").value_or("")) : "-",
                       .problems = {}};
    found.problems =
        find_problems(store, make_plain_layout(ends, found.ports)).value_or(std::vector<std::string>{});
    return found;
}

} // namespace

std::string parse_ports(const std::string& text, bool may_be_any) {
    if (text == "any" && may_be_any)
        return text;
    std::vector<std::uint32_t> ports;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        ports.push_back(parse_port(text.substr(begin, end - begin)));
        begin = end + 1;
    }
    std::sort(ports.begin(), ports.end());
    ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
    if (ports.size() > most_plain_ports)
        throw port_error(fmt::format("{} ports are named: there may be {}", ports.size(), most_plain_ports));
    return fmt::format("{}", fmt::join(ports, " "));
}

link_layout make_plain_layout(const plain_ends& ends, const plain_ports& ports, const std::string& name) {
    const auto [m, p] = ends;
    const std::string module_home = fmt::format("/local/domain/{}", m),
                      plain_home = fmt::format("/local/domain/{}", p);
    const std::string devices = module_home + "/device", vchans = devices + "/vchan",
                      data = module_home + "/data", offers = data + "/vsock", others = plain_home + "/vchan";

    link_layout layout;
    layout.frontend_path = fmt::format("{}/{}", vchans, p);
    layout.backend_path = fmt::format("{}/{}", others, m);
    const std::string folder = fmt::format("{}/{}", offers, p);

    const auto only_dom0_writes = owned_by(0, {m});
    layout.parents = {{devices, "", only_dom0_writes},
                      {vchans, "", only_dom0_writes},
                      {data, "", owned_by(m)},
                      {offers, "", owned_by(m)},
                      {others, "", owned_by(0, {p})}};
    const auto module_half = owned_by(m);
    layout.nodes = {
        {folder, "", owned_by(m, {p}), true}, // what the module writes there, the other can read
        {layout.frontend_path, "", module_half, true},
        {layout.frontend_path + "/backend", layout.backend_path, only_dom0_writes},
        {layout.frontend_path + "/backend-id", fmt::format("{}", p), only_dom0_writes},
        {layout.frontend_path + "/connect", ports.connect, only_dom0_writes},
        {layout.frontend_path + "/accept", ports.accept, only_dom0_writes},
        {layout.backend_path, "", only_dom0_writes, true},
    };
    if (!name.empty())
        layout.nodes.push_back({layout.frontend_path + "/peer-name", name, only_dom0_writes});
    layout.nodes.insert(layout.nodes.end(),
                        {
                            // Last: a state is what makes a driver look.
                            {layout.backend_path + "/state", connected, only_dom0_writes},
                            {layout.frontend_path + "/state", initialising, module_half, true},
                        });
    layout.folders = {folder};
    layout.removable = {vchans, others, offers};
    return layout;
}

bool is_plain_link(const view& store, const plain_ends& ends) {
    return status_of(store, ends).has_value();
}

plain_result add_plain_link(const view& store, const plain_ends& ends, const plain_ports& ports,
                            const std::string& name) {
    if (find_problems(store, make_layout(make_ends(ends.module, ends.plain))))
        throw domain_error(
            fmt::format("between the domains {} and {} is a peer link already, for two domains "
                        "with the module; 'remove' it first",
                        ends.module, ends.plain));
    if (is_plain_link(store, {.module = ends.plain, .plain = ends.module}))
        throw domain_error(fmt::format("domain {} has a plain link to domain {}, as the one with the module; "
                                       "'remove --plain' it first",
                                       ends.plain, ends.module));
    const link_layout layout = make_plain_layout(ends, ports, name);
    std::vector<std::string> ignored;
    switch (add_link(store, layout, ignored)) {
    case add_result::added:
        return plain_result::added;
    case add_result::existed:
        return plain_result::existed;
    case add_result::repaired:
        break;
    }
    store.write(layout.backend_path + "/state", connected); // the module looks again
    return plain_result::changed;
}

std::vector<plain_status> list_plain_links(const view& store) {
    // From both sides, because one may be all that is left.
    std::set<plain_ends> found;
    const auto children = [&](const std::string& path) {
        return store.list(path).value_or(std::vector<std::string>{});
    };
    for (const std::string& home : children("/local/domain"))
        if (const auto id = parse_domid(home)) {
            for (const std::string& other : children("/local/domain/" + home + "/device/vchan"))
                if (const auto plain = parse_domid(other))
                    found.insert({.module = *id, .plain = *plain});
            for (const std::string& other : children("/local/domain/" + home + "/vchan"))
                if (const auto module = parse_domid(other))
                    found.insert({.module = *module, .plain = *id});
        }
    std::vector<plain_status> links;
    for (const plain_ends& ends : found)
        if (auto status = status_of(store, ends))
            links.push_back(*std::move(status));
    return links;
}

} // namespace xvsock::peer
