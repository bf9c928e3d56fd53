// SPDX-License-Identifier: MIT
// SIGPIPE, which the AF_VSOCK of older kernels does not send.
#include "real_calls.hpp"
#include "state_of.hpp"

#include <csignal>
#include <cstdlib>

#include <sys/utsname.h>

using namespace xvsock::preload;

namespace {

/// Since Linux 6.8 the kernel does it.
bool kernel_signals() {
    static const bool does = [] {
        utsname system{};
        ::uname(&system);
        char* rest = nullptr;
        const auto major = std::strtol(system.release, &rest, 10);
        const auto minor = *rest == '.' ? std::strtol(rest + 1, nullptr, 10) : 0;
        return major > 6 || (major == 6 && minor >= 8);
    }();
    return does;
}

template <typename Result> Result signalled(int descriptor, Result result, int flags = 0) {
    if (result >= 0 || errno != EPIPE || (flags & MSG_NOSIGNAL) != 0 || !state_of(descriptor, kind::stream) ||
        kernel_signals())
        return result;
    ::pthread_kill(::pthread_self(), SIGPIPE);
    errno = EPIPE;
    return result;
}

} // namespace

extern "C" {

ssize_t write(int descriptor, const void* data, size_t size) {
    return signalled(descriptor, real::write()(descriptor, data, size));
}

ssize_t writev(int descriptor, const iovec* parts, int count) {
    return signalled(descriptor, real::writev()(descriptor, parts, count));
}

ssize_t send(int descriptor, const void* data, size_t size, int flags) {
    return signalled(descriptor, real::send()(descriptor, data, size, flags), flags);
}

ssize_t sendto(int descriptor, const void* data, size_t size, int flags, const sockaddr* address,
               socklen_t address_size) {
    const bool carried = address != nullptr && state_of(descriptor, kind::stream) != nullptr;
    // TCP, being connected, ignores it.
    const auto sent = carried ? real::send()(descriptor, data, size, flags)
                              : real::sendto()(descriptor, data, size, flags, address, address_size);
    return signalled(descriptor, sent, flags);
}

ssize_t sendmsg(int descriptor, const msghdr* message, int flags) {
    return signalled(descriptor, real::sendmsg()(descriptor, message, flags), flags);
}

ssize_t sendfile(int to, int from, off_t* offset, size_t size) noexcept {
    return signalled(to, real::sendfile()(to, from, offset, size));
}

ssize_t sendfile64(int to, int from, off64_t* offset, size_t size) noexcept {
    return signalled(to, real::sendfile64()(to, from, offset, size));
}

} // extern "C"
