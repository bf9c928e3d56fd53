// SPDX-License-Identifier: MIT
// Sockets that are passed over a Unix socket.
#pragma once

#include <cstring>

#include <sys/socket.h>

namespace xvsock::guest {

/// A message of one byte, with room for one descriptor.
struct passing_message {
    passing_message() {
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        header.msg_control = control;
        header.msg_controllen = sizeof control;
    }
    passing_message(const passing_message&) = delete;
    passing_message& operator=(const passing_message&) = delete;

    char byte = 'x';
    iovec part{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
    msghdr header{};
};

inline bool send_descriptor(int over, int passed) {
    passing_message message;
    cmsghdr* const rights = CMSG_FIRSTHDR(&message.header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof passed);
    std::memcpy(CMSG_DATA(rights), &passed, sizeof passed);
    return ::sendmsg(over, &message.header, 0) == 1;
}

/// What came with the message; -1 for nothing.
inline int descriptor_in(msghdr& message) {
    int got = -1;
    if (const cmsghdr* const rights = CMSG_FIRSTHDR(&message); rights != nullptr)
        std::memcpy(&got, CMSG_DATA(rights), sizeof got);
    return got;
}

inline int receive_descriptor(int over) {
    passing_message message;
    return ::recvmsg(over, &message.header, 0) == 1 ? descriptor_in(message.header) : -1;
}

} // namespace xvsock::guest
