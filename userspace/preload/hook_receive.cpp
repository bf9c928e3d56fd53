// SPDX-License-Identifier: MIT
// Receiving: TCP's errors, flags that AF_VSOCK does not have, and sockets that come over a Unix socket.
#include "carry.hpp"
#include "real_calls.hpp"
#include "state_of.hpp"
#include "tcp_failure.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

using namespace xvsock::preload;

extern "C" [[noreturn]] void __chk_fail(); // NOLINT(bugprone-reserved-identifier): the C library's

namespace {

constexpr int unknown_flags = MSG_OOB | MSG_ERRQUEUE | MSG_TRUNC;

/// With such a flag AF_VSOCK would give the next bytes. 0, or what TCP says instead: that nothing is urgent,
/// and that no messages are queued.
int objection_to(int flags) {
    return (flags & MSG_OOB) != 0 ? EINVAL : (flags & MSG_ERRQUEUE) != 0 ? EAGAIN : 0;
}

/// TCP gives no bytes with MSG_TRUNC, but counts them.
ssize_t count_only(int descriptor, size_t size, int flags) {
    constexpr std::size_t most = 65536;
    static thread_local std::vector<char> sink(most);
    return as_received(descriptor,
                       real::recv()(descriptor, sink.data(), std::min(size, most), flags & ~MSG_TRUNC));
}

/// Notes what sockets have come with a message.
void adopt(msghdr* message) {
    for (cmsghdr* part = CMSG_FIRSTHDR(message); part != nullptr; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        const auto count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int descriptor = -1;
            std::memcpy(&descriptor, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
            const auto state = recognised(untracked(descriptor));
            if (!state)
                continue;
            const auto held = socket_table::instance().lock();
            socket_table::instance().add(descriptor, state);
        }
    }
}

} // namespace

extern "C" {

ssize_t read(int descriptor, void* data, size_t size) {
    return as_received(descriptor, real::read()(descriptor, data, size));
}

ssize_t readv(int descriptor, const iovec* parts, int count) {
    return as_received(descriptor, real::readv()(descriptor, parts, count));
}

ssize_t recv(int descriptor, void* data, size_t size, int flags) {
    if ((flags & unknown_flags) != 0 && state_of(descriptor, kind::stream)) {
        const int error = objection_to(flags);
        return error != 0 ? fail(error) : count_only(descriptor, size, flags);
    }
    return as_received(descriptor, real::recv()(descriptor, data, size, flags));
}

ssize_t recvfrom(int descriptor, void* data, size_t size, int flags, sockaddr* address,
                 socklen_t* address_size) {
    if ((flags & unknown_flags) != 0 && state_of(descriptor, kind::stream))
        return recv(descriptor, data, size, flags);
    return as_received(descriptor, real::recvfrom()(descriptor, data, size, flags, address, address_size));
}

ssize_t recvmsg(int descriptor, msghdr* message, int flags) {
    if (const int error = objection_to(flags); error != 0 && state_of(descriptor, kind::stream))
        return fail(error);
    const auto received = as_received(descriptor, real::recvmsg()(descriptor, message, flags));
    if (received >= 0 && message->msg_controllen > 0)
        adopt(message);
    return received;
}

int recvmmsg(int descriptor, mmsghdr* messages, unsigned count, int flags, timespec* limit) {
    if (const int error = objection_to(flags); error != 0 && state_of(descriptor, kind::stream))
        return fail(error);
    const int received = static_cast<int>(
        as_received(descriptor, real::recvmmsg()(descriptor, messages, count, flags, limit)));
    for (int i = 0; i < received; ++i)
        if (messages[i].msg_hdr.msg_controllen > 0)
            adopt(&messages[i].msg_hdr);
    return received;
}

// What the C library's headers make of calls whose buffer they know.
// NOLINTBEGIN(bugprone-reserved-identifier)
ssize_t __read_chk(int descriptor, void* data, size_t size, size_t room) {
    if (size > room)
        __chk_fail();
    return read(descriptor, data, size);
}

ssize_t __recv_chk(int descriptor, void* data, size_t size, size_t room, int flags) {
    if (size > room)
        __chk_fail();
    return recv(descriptor, data, size, flags);
}

ssize_t __recvfrom_chk(int descriptor, void* data, size_t size, size_t room, int flags, sockaddr* address,
                       socklen_t* address_size) {
    if (size > room)
        __chk_fail();
    return recvfrom(descriptor, data, size, flags, address, address_size);
}
// NOLINTEND(bugprone-reserved-identifier)

} // extern "C"
