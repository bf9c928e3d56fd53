// SPDX-License-Identifier: MIT
#include "sockets/place.hpp"

#include "peers/peer_list.hpp"

#include <xvsock/resolver.hpp>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstring>
#include <fmt/format.h>
#include <stdexcept>

namespace xvsock::sockets {

namespace asio = boost::asio;

namespace {

constexpr std::string_view vsock_prefix = "vsock:";

/// A name, which perf::parse_address() does not know.
bool names_a_peer(const std::string& text) {
    const auto rest = std::string_view(text).substr(vsock_prefix.size());
    const auto colon = rest.rfind(':');
    if (colon == std::string_view::npos)
        return false;
    const auto peer = rest.substr(0, colon);
    return peer.find_first_not_of("0123456789") != std::string_view::npos && peer != "host" &&
           peer != "local" && peer != "any";
}

bool has_family(const std::string& text) {
    return text.starts_with(vsock_prefix) || text.starts_with("tcp:") || text.starts_with("unix:");
}

protocol::endpoint vsock_endpoint(cid_type cid, port_type port) {
    return protocol::endpoint(stream_protocol::endpoint(cid, port));
}

std::vector<protocol::endpoint> endpoints_of_tcp(const perf::address& where, address_role role) {
    asio::io_context context;
    asio::ip::tcp::resolver resolver(context);
    boost::system::error_code error;
    const auto flags =
        role == address_role::listen ? asio::ip::tcp::resolver::passive : asio::ip::tcp::resolver::flags();
    const auto found = resolver.resolve(where.host, std::to_string(where.port), flags, error);
    if (error)
        throw std::runtime_error(fmt::format("the host {} is not known: {}", where.host, error.message()));
    std::vector<protocol::endpoint> endpoints;
    for (const auto& one : found)
        endpoints.emplace_back(one.endpoint());
    return endpoints;
}

/// `text` has a peer's name in it.
place find_by_name(const std::string& text) {
    const std::string name_and_port = text.substr(vsock_prefix.size());
    boost::system::error_code error;
    const auto found = resolver::resolve(name_and_port, error);
    if (error == asio::error::service_not_found)
        throw std::invalid_argument(fmt::format("address '{}': the port is no number", text));
    if (error)
        throw std::runtime_error(
            fmt::format("no peer is found for {}: {}", text, peers::explain_unknown(name_and_port, error)));
    const auto endpoint = found.front().endpoint();
    perf::address where;
    where.family = perf::address_family::vsock;
    where.cid = endpoint.cid();
    where.port = endpoint.port();
    return {.text = text, .where = where, .endpoints = {vsock_endpoint(endpoint.cid(), endpoint.port())}};
}

} // namespace

place find_place(const std::string& text, address_role role) {
    if (text.starts_with(vsock_prefix) && names_a_peer(text))
        return find_by_name(text);
    place found{.text = text, .where = perf::parse_address(text, role), .endpoints = {}};
    switch (found.where.family) {
    case perf::address_family::vsock:
        found.endpoints.push_back(vsock_endpoint(found.where.cid, found.where.port));
        break;
    case perf::address_family::tcp:
        found.endpoints = endpoints_of_tcp(found.where, role);
        break;
    case perf::address_family::unix_stream: {
        auto path = found.where.path;
        if (path.starts_with('@'))
            path[0] = '\0';
        found.endpoints.emplace_back(asio::local::stream_protocol::endpoint(path));
        break;
    }
    }
    return found;
}

place find_peer(const std::string& text, std::optional<port_type> default_port) {
    if (text.starts_with("tcp:") || text.starts_with("unix:"))
        return find_place(text, address_role::connect);
    std::string peer = has_family(text) ? text.substr(vsock_prefix.size()) : text;
    // "name:" before a name is no port's colon.
    const std::size_t name_at = peer.starts_with("name:") ? 5 : 0;
    if (peer.size() == name_at)
        throw std::invalid_argument(fmt::format("'{}' names no peer", text));
    if (default_port && peer.find(':', name_at) == std::string::npos)
        peer += fmt::format(":{}", *default_port);
    if (peer.find(':', name_at) == std::string::npos)
        throw std::invalid_argument(fmt::format("'{}': the port is missing, write PEER:PORT", text));
    place found = find_place(fmt::format("{}{}", vsock_prefix, peer), address_role::connect);
    found.text = peer;
    return found;
}

place find_listener(const std::string& text) {
    if (text.starts_with("tcp:") || text.starts_with("unix:"))
        return find_place(text, address_role::listen);
    const std::string rest = has_family(text) ? text : fmt::format("{}{}", vsock_prefix, text);
    place found = find_place(rest, address_role::listen);
    if (found.where.cid != any_cid)
        found.only_from = std::exchange(found.where.cid, any_cid);
    found.endpoints = {vsock_endpoint(any_cid, found.where.port)};
    return found;
}

std::string explain(const place& where, address_role role, const boost::system::error_code& error) {
    const auto* const what = role == address_role::listen ? "listen at" : "connect to";
    const std::string why = perf::likely_reason(where.where, role, error.value());
    return fmt::format("cannot {} {}: {}{}{}", what, where.text, error.message(), why.empty() ? "" : "; ",
                       why);
}

std::optional<cid_type> cid_of(const protocol::endpoint& remote) {
    if (remote.data()->sa_family != AF_VSOCK)
        return std::nullopt;
    stream_protocol::endpoint peer;
    std::memcpy(peer.data(), remote.data(), std::min(peer.size(), remote.size()));
    return peer.cid();
}

std::string name_of(const protocol::endpoint& remote) {
    if (const auto cid = cid_of(remote))
        return peers::name_of(*cid);
    sockaddr_storage address{};
    std::memcpy(&address, remote.data(), std::min(sizeof address, remote.size()));
    return perf::to_string(address, socklen_t(remote.size()));
}

} // namespace xvsock::sockets
