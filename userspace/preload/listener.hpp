// SPDX-License-Identifier: MIT
/// A listener of TCP and AF_VSOCK behind the descriptors of one of TCP: an epoll of the two.
#pragma once

#include "socket_table.hpp"

#include <cstdint>

namespace xvsock::preload {

// The table is locked in all of these. errno stays.

/// A TCP listener becomes one of both, if the port is free in AF_VSOCK or another of our listeners has it,
/// which then shares it: those of a program with SO_REUSEPORT, or of IPv4 and IPv6.
void become_listener(socket_state& state, std::uint16_t port, int backlog);

/// One of TCP only again, which AF_VSOCK's connections do not reach any more.
void leave_peers(socket_state& state);

/// Whether the descriptor is the epoll of these two.
bool is_listener_of(int descriptor, int tcp, int vsock);

} // namespace xvsock::preload
