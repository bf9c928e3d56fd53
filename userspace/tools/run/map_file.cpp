// SPDX-License-Identifier: MIT
#include "run/map_file.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <sstream>
#include <stdexcept>

#include <arpa/inet.h>

namespace xvsock::run {

namespace {

bool is_address(const std::string& text) {
    in6_addr ignored{};
    return ::inet_pton(AF_INET, text.c_str(), &ignored) == 1 ||
           ::inet_pton(AF_INET6, text.c_str(), &ignored) == 1;
}

std::optional<cid_type> parse_cid(const std::string& text) {
    cid_type cid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cid);
    if (error != std::errc{} || end != text.data() + text.size() || cid < dom0_cid || cid == any_cid)
        return std::nullopt;
    return cid;
}

std::string names_of(const std::vector<known_peer>& peers) {
    std::string names;
    for (const auto& one : peers)
        if (!one.name.empty())
            names += (names.empty() ? "" : ", ") + one.name;
    return names.empty() ? "no peer has a name" : "the peers are " + names;
}

} // namespace

std::vector<mapping> read_map(std::istream& input, const std::string& name,
                              const std::vector<known_peer>& peers) {
    std::vector<mapping> found;
    std::size_t number = 0;
    for (std::string line; std::getline(input, line);) {
        ++number;
        const auto fail = [&](const std::string& what) {
            throw std::runtime_error(fmt::format("{}:{}: {}", name, number, what));
        };
        std::istringstream words(line.substr(0, line.find('#')));
        std::string address, peer, more;
        if (!(words >> address))
            continue;
        if (!(words >> peer) || (words >> more))
            fail("a line is ADDRESS PEER");
        if (!is_address(address))
            fail(fmt::format("'{}' is no IPv4 or IPv6 address", address));
        auto cid = parse_cid(peer);
        const auto named =
            std::find_if(peers.begin(), peers.end(), [&](const known_peer& one) { return one.name == peer; });
        if (!cid && named != peers.end())
            cid = named->cid;
        if (!cid)
            fail(fmt::format("'{}' is no CID and the name of no peer; {}", peer, names_of(peers)));
        if (std::any_of(found.begin(), found.end(),
                        [&](const mapping& one) { return one.address == address; }))
            fail(fmt::format("{} stands for two domains", address));
        found.push_back({address, *cid});
    }
    if (input.bad())
        throw std::runtime_error("cannot read " + name);
    return found;
}

std::string map_text(cid_type own, const std::vector<known_peer>& peers,
                     const std::vector<mapping>& addresses) {
    std::string text = fmt::format("own {}\n", own);
    for (const auto& one : peers)
        if (!one.name.empty() && one.name.find('\n') == std::string::npos)
            text += fmt::format("peer {} {}\n", one.cid, one.name);
    for (const auto& one : addresses)
        text += fmt::format("address {} {}\n", one.cid, one.address);
    return text;
}

} // namespace xvsock::run
