// SPDX-License-Identifier: MIT
/// What the errno of a failed send or receive means.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>

namespace xvsock::sockets {

/// AF_VSOCK of Linux 6.1 turns the errno of a reset connection into ENOMEM.
inline std::string stream_error(int error) {
    if (error == EPIPE)
        return "the other end has closed it";
    return std::strerror(error == ENOMEM ? ECONNRESET : error);
}

} // namespace xvsock::sockets
