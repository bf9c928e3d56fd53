// SPDX-License-Identifier: MIT
#include "forward/place.hpp"

#include <xvsock/error.hpp>
#include <xvsock/resolver.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstring>
#include <fmt/format.h>
#include <stdexcept>

namespace xvsock::forward {

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

} // namespace

place find_place(const std::string& text, address_role role) {
    if (text.starts_with(vsock_prefix) && names_a_peer(text)) {
        place found{.text = text, .family = perf::address_family::vsock, .path = {}, .endpoints = {}};
        boost::system::error_code error;
        for (const auto& one : resolver::resolve(text.substr(vsock_prefix.size()), error))
            found.endpoints.push_back(vsock_endpoint(one.endpoint().cid(), one.endpoint().port()));
        if (error == asio::error::service_not_found)
            throw std::invalid_argument(fmt::format("address '{}': the port is no number", text));
        if (error)
            throw std::runtime_error(fmt::format("no peer is found for {}: {}", text, error.message()));
        return found;
    }
    const auto where = perf::parse_address(text, role);
    place found{.text = text, .family = where.family, .path = where.path, .endpoints = {}};
    switch (where.family) {
    case perf::address_family::vsock:
        found.endpoints.push_back(vsock_endpoint(where.cid, where.port));
        break;
    case perf::address_family::tcp:
        found.endpoints = endpoints_of_tcp(where, role);
        break;
    case perf::address_family::unix_stream: {
        auto path = where.path;
        if (path.starts_with('@'))
            path[0] = '\0';
        found.endpoints.emplace_back(asio::local::stream_protocol::endpoint(path));
        break;
    }
    }
    return found;
}

std::string explain(const place& where, address_role role, const boost::system::error_code& error) {
    const auto* const what = role == address_role::listen ? "listen at" : "connect to";
    std::string why;
    if (role == address_role::connect && where.family == perf::address_family::vsock) {
        stream_protocol::endpoint peer;
        std::memcpy(peer.data(), where.endpoints.front().data(), peer.size());
        why = to_string(likely_cause(error), peer);
    }
    return fmt::format("cannot {} {}: {}{}{}", what, where.text, error.message(), why.empty() ? "" : "; ",
                       why);
}

} // namespace xvsock::forward
