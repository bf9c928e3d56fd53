// SPDX-License-Identifier: MIT
/// This domain's own address: a program reaches its own domain by the address that peers use, through the
/// loopback.
#pragma once

#include <sys/socket.h>

namespace xvsock::preload {

/// Where TCP has it, for a socket of the address's family, when the address is our own and none of the
/// host's; one of AF_UNSPEC otherwise.
sockaddr_storage loopback_for(const sockaddr* address, socklen_t size);

/// The other way round, in what the kernel has given in so many bytes.
void show_own(sockaddr* address, socklen_t size);

} // namespace xvsock::preload
