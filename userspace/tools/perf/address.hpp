// SPDX-License-Identifier: MIT
/// Where a test connects to or listens: AF_VSOCK, TCP or AF_UNIX, written as text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <sys/socket.h>

namespace xvsock::perf {

enum class address_family { vsock, tcp, unix_stream };
enum class address_role { listen, connect };

struct address {
    address_family family = address_family::tcp;
    std::uint32_t cid = 0;  ///< vsock only
    std::uint32_t port = 0; ///< vsock and tcp
    std::string host;       ///< tcp only; empty means every local address
    std::string path;       ///< unix_stream only; a leading '@' means the abstract namespace

    bool operator==(const address&) const = default;
};

/// Reads `vsock:CID:PORT`, `tcp:HOST:PORT` or `unix:PATH`.
///
/// CID is a number, `host` (2) or `local` (1). HOST is a name, an IPv4 address or an IPv6 address in
/// brackets. To listen, CID or HOST may be `any` or left out (`vsock:PORT`, `tcp:PORT`), and port 0 of TCP
/// lets the kernel choose. Throws std::invalid_argument that says what is wrong and what would be right.
address parse_address(std::string_view text, address_role role);

/// The address in the form that parse_address() reads.
std::string to_string(const address& where);

/// The address that the kernel reports for a socket, for messages. An unnamed AF_UNIX peer is
/// `unix:(unnamed)`.
std::string to_string(const sockaddr_storage& where, socklen_t length);

/// The name that records carry as `path` unless the user gives another: vsock, tcp or unix.
std::string_view default_path_name(address_family family);

/// The likely cause of an errno of connecting or listening, a sentence without its full stop; may be empty.
std::string likely_reason(const address& where, address_role role, int error);

/// An errno of connecting or listening in words: its text, its name and the likely cause for this address.
std::string explain_error(const address& where, address_role role, int error);

} // namespace xvsock::perf
