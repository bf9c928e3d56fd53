// SPDX-License-Identifier: MIT
// Sending: TCP's errors and SIGPIPE, addresses that TCP, being connected, ignores, and those that it connects
// to.
#include "address_map.hpp"
#include "memory.hpp"
#include "real_calls.hpp"
#include "state_of.hpp"
#include "tcp_failure.hpp"

using namespace xvsock::preload;

namespace {

/// With MSG_FASTOPEN sending connects. What TCP cannot carry there by itself is connected here; false with
/// errno.
bool connect_first(int descriptor, const void* address, socklen_t size, int& flags) {
    const auto* const there = static_cast<const sockaddr*>(address);
    if ((flags & MSG_FASTOPEN) == 0 || !state_of(descriptor) || !is_memory(address) ||
        !map().cid_of(there, size))
        return true;
    flags &= ~MSG_FASTOPEN;
    return ::connect(descriptor, there, size) == 0;
}

} // namespace

extern "C" {

ssize_t write(int descriptor, const void* data, size_t size) {
    return as_sent(descriptor, real::write()(descriptor, data, size));
}

ssize_t writev(int descriptor, const iovec* parts, int count) {
    return as_sent(descriptor, real::writev()(descriptor, parts, count));
}

ssize_t send(int descriptor, const void* data, size_t size, int flags) {
    return as_sent(descriptor, real::send()(descriptor, data, size, flags), flags);
}

ssize_t sendto(int descriptor, const void* data, size_t size, int flags, const sockaddr* address,
               socklen_t address_size) {
    if (address == nullptr)
        return send(descriptor, data, size, flags);
    if (!connect_first(descriptor, address, address_size, flags))
        return -1;
    const auto sent = state_of(descriptor, kind::stream)
                          ? real::send()(descriptor, data, size, flags)
                          : real::sendto()(descriptor, data, size, flags, address, address_size);
    return as_sent(descriptor, sent, flags);
}

ssize_t sendmsg(int descriptor, const msghdr* message, int flags) {
    if (socket_table::instance().knows(descriptor) && is_memory(message) && message->msg_name != nullptr) {
        if (!connect_first(descriptor, message->msg_name, message->msg_namelen, flags))
            return -1;
        if (state_of(descriptor, kind::stream)) {
            auto nameless = *message;
            nameless.msg_name = nullptr;
            nameless.msg_namelen = 0;
            return as_sent(descriptor, real::sendmsg()(descriptor, &nameless, flags), flags);
        }
    }
    return as_sent(descriptor, real::sendmsg()(descriptor, message, flags), flags);
}

int sendmmsg(int descriptor, mmsghdr* messages, unsigned count, int flags) {
    if (!state_of(descriptor, kind::stream) || !is_memory(messages))
        return static_cast<int>(
            as_sent(descriptor, real::sendmmsg()(descriptor, messages, count, flags), flags));
    unsigned done = 0;
    for (; done < count; ++done) {
        const auto sent = sendmsg(descriptor, &messages[done].msg_hdr, flags);
        if (sent < 0)
            break;
        messages[done].msg_len = static_cast<unsigned>(sent);
    }
    return done > 0 || count == 0 ? static_cast<int>(done) : -1;
}

ssize_t sendfile(int to, int from, off_t* offset, size_t size) noexcept {
    return as_sent(to, real::sendfile()(to, from, offset, size));
}

ssize_t sendfile64(int to, int from, off64_t* offset, size_t size) noexcept {
    return as_sent(to, real::sendfile64()(to, from, offset, size));
}

ssize_t splice(int from, off64_t* from_offset, int to, off64_t* to_offset, size_t size, unsigned flags) {
    const auto moved = real::splice()(from, from_offset, to, to_offset, size, flags);
    return socket_table::instance().knows(to) ? as_sent(to, moved) : as_received(from, moved);
}

} // extern "C"
