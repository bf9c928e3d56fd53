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

/// Whether it is one of IPv6 with nothing of IPv4 behind it.
bool is_only6(const sockaddr_storage& address);

/// Fills in what getpeername() and its like give, cut off as they do.
void give_address(const sockaddr_storage& address, sockaddr* to, socklen_t* size);

/// Has the socket take an option; those that name memory of the program are left out.
void replay(int socket, const socket_state::option& option);

/// What is known of a descriptor that came from elsewhere, by exec() or over a Unix socket: a stream has a
/// mark that the kernel keeps. Null for what is neither one nor of TCP.
state_pointer recognised(int descriptor);

// In all of these the table is locked. False, or -1, with errno.

/// Remembers that the option was set.
void note_option(socket_state& state, int level, int name, const void* value, socklen_t size);

/// Puts the file behind all descriptors of the socket, into the program's epolls, too. Closes `file`.
void put_behind(socket_state& state, int file);

/// A new AF_VSOCK socket with the mark of those that are carried for a socket of that family.
int marked_socket(int family, int flags);
bool bind_vsock(int socket, std::uint16_t port);

/// An unconnected TCP socket becomes one of AF_VSOCK, bound to the port that it was bound to or to any that
/// TCP could have.
bool become_stream(socket_state& state);

/// Back again, for an address that is not carried.
bool become_tcp(socket_state& state);

} // namespace xvsock::preload
