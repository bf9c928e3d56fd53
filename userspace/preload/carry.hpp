// SPDX-License-Identifier: MIT
/// From a TCP socket to one that is carried over AF_VSOCK, and back, behind the same descriptors.
#pragma once

#include "socket_table.hpp"

#include <cstdint>
#include <optional>

#include <linux/vm_sockets.h>

namespace xvsock::preload {

sockaddr_vm vsock_address(std::uint32_t cid, std::uint32_t port);

/// What the errno of an AF_VSOCK connect() is for TCP.
int tcp_error(int error);

/// The port of an address of IP; 0 for others.
std::uint16_t port_of(const sockaddr* address);

/// Whether the address is that of no host, so that a listener has all of this one's.
bool is_any(const sockaddr_storage& address);

/// Fills in what getpeername() and its like give, cut off as they do.
void give_address(const sockaddr_storage& address, sockaddr* to, socklen_t* size);

/// In all of these the table is locked. False, or -1, with errno.

/// An unconnected TCP socket becomes one of AF_VSOCK, bound to the port that it was bound to, or to `port`,
/// or to any that TCP could have.
bool become_stream(socket_state& state, std::optional<std::uint16_t> port = std::nullopt);

/// Back again, for an address that is not carried.
bool become_tcp(socket_state& state);

/// A TCP listener at all addresses becomes one of TCP and AF_VSOCK, if the port is free there. errno stays.
void become_listener(socket_state& state, std::uint16_t port, int backlog);

} // namespace xvsock::preload
