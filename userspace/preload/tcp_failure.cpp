// SPDX-License-Identifier: MIT
#include "tcp_failure.hpp"

#include "state_of.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include <sys/socket.h>
#include <sys/utsname.h>

namespace xvsock::preload {

namespace {

/// Whether the kernel sends SIGPIPE for AF_VSOCK: since Linux 6.8.
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

/// What has become of a connect() that the program has not asked for yet; EAGAIN when it goes on.
int outcome_of(int descriptor) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size); // ours, which notes it
    return error != 0 ? error : EAGAIN;
}

int translated(int descriptor, const socket_state& state, int error, int unconnected) {
    switch (state.what) {
    case kind::tcp:
        return error;
    case kind::listener:
        return error == ENOTSOCK || error == EINVAL ? unconnected : error;
    case kind::stream:
        if (error == ENOMEM) // of a bad pointer, up to Linux 6.7
            return EFAULT;
        if (error == ENOTCONN && !state.connected)
            return state.connecting ? outcome_of(descriptor) : unconnected;
    }
    return error;
}

} // namespace

ssize_t as_sent(int descriptor, ssize_t result, int flags) {
    if (result >= 0 || errno == EAGAIN)
        return result;
    const int error = errno;
    const auto state = state_of(descriptor);
    if (!state) {
        errno = error;
        return result;
    }
    const int meant = translated(descriptor, *state, error, EPIPE);
    const bool is_signalled = error == EPIPE && (state->what == kind::tcp || kernel_signals());
    if (meant == EPIPE && !is_signalled && (flags & MSG_NOSIGNAL) == 0)
        ::pthread_kill(::pthread_self(), SIGPIPE);
    errno = meant;
    return result;
}

ssize_t as_received(int descriptor, ssize_t result) {
    if (result >= 0 || errno == EAGAIN)
        return result;
    const int error = errno;
    const auto state = state_of(descriptor);
    errno = state ? translated(descriptor, *state, error, ENOTCONN) : error;
    return result;
}

} // namespace xvsock::preload
