// SPDX-License-Identifier: MIT
#include "hints.hpp"

#include <cerrno>

namespace xvsock::peer {

std::string hint_for(int error) {
    switch (error) {
    case EACCES:
    case EPERM:
        return "; only dom0's root may do this";
    case ENOENT:
    case ECONNREFUSED:
    case ENXIO:
        return "; is this dom0 of a Xen host, with xenstored running?";
    case ENOSPC:
    case EDQUOT:
        return "; a quota of xenstored is used up";
    case EAGAIN:
        return "; others keep changing the same nodes, try again";
    case EPIPE:
    case ECONNRESET:
    case EBADF:
    case EIO:
        return "; xenstored ended the connection, does it still run?";
    default:
        return "";
    }
}

} // namespace xvsock::peer
