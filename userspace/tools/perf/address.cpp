// SPDX-License-Identifier: MIT
#include "perf/address.hpp"

#include "perf/quantity.hpp"

#include <xvsock/error.hpp>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fmt/format.h>
#include <stdexcept>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

// Keep this order: <linux/vm_sockets.h> needs sa_family_t from <sys/socket.h>.
#include <linux/vm_sockets.h>

namespace xvsock::perf {

namespace {

constexpr std::string_view forms = "vsock:CID:PORT, tcp:HOST:PORT or unix:PATH";

[[noreturn]] void refuse(std::string_view text, const std::string& reason) {
    throw std::invalid_argument(fmt::format("address '{}': {}", text, reason));
}

/// Splits `HOST:PORT`; HOST may be in brackets. Without a colon everything is PORT.
struct host_and_port {
    std::string_view host;
    std::string_view port;
    bool has_host = false;
};

host_and_port split(std::string_view whole, std::string_view rest) {
    if (rest.starts_with('[')) {
        const auto close = rest.find(']');
        if (close == std::string_view::npos || close + 1 >= rest.size() || rest[close + 1] != ':')
            refuse(whole, "an IPv6 address is written [ADDRESS]:PORT");
        return {rest.substr(1, close - 1), rest.substr(close + 2), true};
    }
    const auto colon = rest.rfind(':');
    if (colon == std::string_view::npos)
        return {{}, rest, false};
    if (rest.find(':') != colon)
        refuse(whole, whole.starts_with("tcp:") ? "too many colons; an IPv6 address is written in brackets"
                                                : "too many colons, write vsock:CID:PORT");
    return {rest.substr(0, colon), rest.substr(colon + 1), true};
}

std::uint32_t parse_port(std::string_view whole, std::string_view text, std::uint32_t min,
                         std::uint32_t max) {
    try {
        const auto port = parse_number(text, "port", max);
        if (port < min)
            refuse(whole, fmt::format("port {} is out of range, from {} to {}", port, min, max));
        return std::uint32_t(port);
    } catch (const std::invalid_argument& error) {
        if (std::string_view(error.what()).starts_with("address "))
            throw;
        refuse(whole, error.what());
    }
}

std::uint32_t parse_cid(std::string_view whole, std::string_view text, address_role role) {
    if (text == "host")
        return VMADDR_CID_HOST;
    if (text == "local")
        return VMADDR_CID_LOCAL;
    if (text == "any") {
        if (role == address_role::connect)
            refuse(whole, "CID 'any' is for listening; give the CID to connect to");
        return VMADDR_CID_ANY;
    }
    try {
        return std::uint32_t(parse_number(text, "CID", VMADDR_CID_ANY - 1));
    } catch (const std::invalid_argument& error) {
        refuse(whole,
               fmt::format("{}; a CID is a number, 'host', 'local' or, to listen, 'any'", error.what()));
    }
}

address parse_vsock(std::string_view whole, std::string_view rest, address_role role) {
    const auto [host, port, has_host] = split(whole, rest);
    if (!has_host && role == address_role::connect)
        refuse(whole, "the CID is missing, write vsock:CID:PORT");
    return {.family = address_family::vsock,
            .cid = has_host ? parse_cid(whole, host, role) : VMADDR_CID_ANY,
            .port = parse_port(whole, port, 0, VMADDR_PORT_ANY - 1),
            .host = {},
            .path = {}};
}

address parse_tcp(std::string_view whole, std::string_view rest, address_role role) {
    const auto [host, port, has_host] = split(whole, rest);
    const bool any = !has_host || host == "any" || host == "*";
    if (any && role == address_role::connect)
        refuse(whole, "the host is missing, write tcp:HOST:PORT");
    if (!any && host.empty())
        refuse(whole, "the host is empty, write tcp:HOST:PORT");
    return {.family = address_family::tcp,
            .cid = 0,
            .port = parse_port(whole, port, role == address_role::listen ? 0 : 1, 65535),
            .host = std::string(any ? std::string_view{} : host),
            .path = {}};
}

address parse_unix(std::string_view whole, std::string_view rest) {
    if (rest.empty() || rest == "@")
        refuse(whole, "the path is empty, write unix:PATH");
    if (rest.size() >= sizeof(sockaddr_un::sun_path))
        refuse(whole, fmt::format("the path has {} bytes, a Unix socket's has at most {}", rest.size(),
                                  sizeof(sockaddr_un::sun_path) - 1));
    if (rest.find('\0') != std::string_view::npos)
        refuse(whole, "the path holds a zero byte");
    return {
        .family = address_family::unix_stream, .cid = 0, .port = 0, .host = {}, .path = std::string(rest)};
}

std::string vsock_hint(const address& where, address_role role, int error) {
    if (role == address_role::listen && error == EADDRNOTAVAIL)
        return fmt::format("CID {} is not this domain's own", where.cid);
    if (role == address_role::connect && error == EACCES)
        return "";
    return xvsock::to_string(likely_cause({error, boost::system::system_category()}),
                             stream_protocol::endpoint(where.cid, where.port));
}

std::string tcp_hint(const address& where, address_role role, int error) {
    switch (error) {
    case ECONNREFUSED:
        return fmt::format("nobody listens on port {} there", where.port);
    case EHOSTUNREACH:
    case ENETUNREACH:
        return "there is no route to that address: is the network interface up?";
    case ETIMEDOUT:
        return "no answer: is the host up, or does a firewall drop the packets?";
    case EACCES:
        return role == address_role::listen ? "ports below 1024 need root" : "";
    case EADDRNOTAVAIL:
        return role == address_role::listen ? "no interface of this machine has that address" : "";
    default:
        return "";
    }
}

std::string unix_hint(int error) {
    switch (error) {
    case ENOENT:
        return "no such socket, or its folder is missing: does the server run?";
    case ECONNREFUSED:
        return "nobody listens on that socket";
    case ETIMEDOUT:
        return "the server's backlog is full";
    case ENOTSOCK:
        return "a file that is not a socket has that name";
    default:
        return "";
    }
}

} // namespace

address parse_address(std::string_view text, address_role role) {
    const auto colon = text.find(':');
    const auto scheme = text.substr(0, colon);
    if (colon != std::string_view::npos) {
        const auto rest = text.substr(colon + 1);
        if (scheme == "vsock")
            return parse_vsock(text, rest, role);
        if (scheme == "tcp")
            return parse_tcp(text, rest, role);
        if (scheme == "unix")
            return parse_unix(text, rest);
    }
    refuse(text, fmt::format("must be {}", forms));
}

std::string to_string(const address& where) {
    switch (where.family) {
    case address_family::vsock:
        return where.cid == VMADDR_CID_ANY ? fmt::format("vsock:any:{}", where.port)
                                           : fmt::format("vsock:{}:{}", where.cid, where.port);
    case address_family::tcp:
        if (where.host.empty())
            return fmt::format("tcp:any:{}", where.port);
        return where.host.find(':') == std::string::npos ? fmt::format("tcp:{}:{}", where.host, where.port)
                                                         : fmt::format("tcp:[{}]:{}", where.host, where.port);
    case address_family::unix_stream:
        return "unix:" + where.path;
    }
    return "?";
}

std::string to_string(const sockaddr_storage& where, socklen_t length) {
    char text[INET6_ADDRSTRLEN] = "?";
    switch (where.ss_family) {
    case AF_VSOCK: {
        const auto& vsock = reinterpret_cast<const sockaddr_vm&>(where);
        return vsock.svm_cid == VMADDR_CID_ANY ? fmt::format("vsock:any:{}", vsock.svm_port)
                                               : fmt::format("vsock:{}:{}", vsock.svm_cid, vsock.svm_port);
    }
    case AF_INET: {
        const auto& ipv4 = reinterpret_cast<const sockaddr_in&>(where);
        inet_ntop(AF_INET, &ipv4.sin_addr, text, sizeof text);
        return fmt::format("tcp:{}:{}", text, ntohs(ipv4.sin_port));
    }
    case AF_INET6: {
        const auto& ipv6 = reinterpret_cast<const sockaddr_in6&>(where);
        inet_ntop(AF_INET6, &ipv6.sin6_addr, text, sizeof text);
        return fmt::format("tcp:[{}]:{}", text, ntohs(ipv6.sin6_port));
    }
    case AF_UNIX: {
        const auto& local = reinterpret_cast<const sockaddr_un&>(where);
        constexpr auto head = offsetof(sockaddr_un, sun_path);
        if (length <= head)
            return "unix:(unnamed)";
        if (local.sun_path[0] == '\0')
            return "unix:@" + std::string(local.sun_path + 1, length - head - 1);
        return "unix:" + std::string(local.sun_path, strnlen(local.sun_path, length - head));
    }
    default:
        return fmt::format("address family {}", where.ss_family);
    }
}

std::string_view default_path_name(address_family family) {
    switch (family) {
    case address_family::vsock:
        return "vsock";
    case address_family::tcp:
        return "tcp";
    case address_family::unix_stream:
        return "unix";
    }
    return "?";
}

std::string likely_reason(const address& where, address_role role, int error) {
    if (error == EADDRINUSE)
        return "something else has that address";
    switch (where.family) {
    case address_family::vsock:
        return vsock_hint(where, role, error);
    case address_family::tcp:
        return tcp_hint(where, role, error);
    case address_family::unix_stream:
        return unix_hint(error);
    }
    return "";
}

std::string explain_error(const address& where, address_role role, int error) {
    const std::string hint = likely_reason(where, role, error);
    const char* name = strerrorname_np(error);
    return fmt::format("cannot {} {}: {} ({}){}{}", role == address_role::listen ? "listen on" : "connect to",
                       to_string(where), std::strerror(error), name ? name : "?", hint.empty() ? "" : "; ",
                       hint);
}

} // namespace xvsock::perf
