// SPDX-License-Identifier: MIT
#include "listener.hpp"

#include "carry.hpp"
#include "real_calls.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace xvsock::preload {

namespace {

/// Our own descriptors are out of the way of programs that count on low ones.
constexpr int first_inner = 500;

int own_descriptor(int descriptor) {
    int moved = real::fcntl()(descriptor, F_DUPFD_CLOEXEC, first_inner);
    if (moved < 0)
        moved = real::fcntl()(descriptor, F_DUPFD_CLOEXEC, 3);
    if (moved >= 0)
        socket_table::instance().set_inner(moved, true);
    return moved;
}

void close_own(int descriptor) {
    if (descriptor < 0)
        return;
    socket_table::instance().set_inner(descriptor, false);
    real::close()(descriptor);
}

/// The listener of this program that has the port in AF_VSOCK; null for none.
state_pointer find_listener(std::uint16_t port) {
    const auto& table = socket_table::instance();
    for (const int known : table.all()) {
        auto state = table.find(known);
        sockaddr_vm bound{};
        socklen_t size = sizeof bound;
        if (state->vsock >= 0 &&
            real::getsockname()(state->vsock, reinterpret_cast<sockaddr*>(&bound), &size) == 0 &&
            bound.svm_port == port)
            return state;
    }
    return nullptr;
}

/// Another one that listens to peers; -1 with errno.
int listen_anew(const socket_state& state, std::uint16_t port, int backlog) {
    const int vsock = marked_socket(state.family, SOCK_NONBLOCK);
    if (vsock < 0)
        return -1;
    const bool listens = bind_vsock(vsock, port) && real::listen()(vsock, backlog) == 0;
    const int error = errno;
    const int own = listens ? own_descriptor(vsock) : -1;
    real::close()(vsock);
    errno = listens ? errno : error;
    return own;
}

/// An own descriptor of an AF_VSOCK listener; -1 with errno, or with 0 when peers are another listener's.
int listen_to_peers(const socket_state& state, std::uint16_t port, int backlog) {
    const auto other = find_listener(port);
    if (!other)
        return listen_anew(state, port, backlog);
    // A peer is called by an address of IPv4 where there is somebody for that, so that access rules can tell.
    if (state.only6 && !other->only6) {
        errno = 0;
        return -1;
    }
    const int own = own_descriptor(other->vsock);
    if (own >= 0 && other->only6 && !state.only6)
        leave_peers(*other);
    return own;
}

} // namespace

void become_listener(socket_state& state, std::uint16_t port, int backlog) {
    const int error = errno;
    const int vsock = listen_to_peers(state, port, backlog);
    if (vsock < 0 && errno != 0)
        ::dprintf(STDERR_FILENO, "xvsock run: peers do not reach the listener at port %u: %s\n", port,
                  errno == EADDRINUSE ? "another one has it" : std::strerror(errno));
    const int tcp = vsock < 0 ? -1 : own_descriptor(state.descriptors.front());
    const int epoll = tcp < 0 ? -1 : ::epoll_create1(EPOLL_CLOEXEC);
    auto event = arrivals();
    if (epoll >= 0 && real::epoll_ctl()(epoll, EPOLL_CTL_ADD, tcp, &event) == 0 &&
        real::epoll_ctl()(epoll, EPOLL_CTL_ADD, vsock, &event) == 0) {
        put_behind(state, epoll);
        // Whether accept() waits is decided above them.
        real::fcntl()(tcp, F_SETFL, real::fcntl()(tcp, F_GETFL) | O_NONBLOCK);
        state.tcp = tcp;
        state.vsock = vsock;
        state.what = kind::listener;
    } else {
        close_own(tcp);
        close_own(vsock);
        if (epoll >= 0)
            real::close()(epoll);
    }
    errno = error;
}

void leave_peers(socket_state& state) {
    const int error = errno;
    // Who waits in accept() for the epoll is woken by the TCP listener, and finds that there is only that.
    // Who is in accept() for one of the two, which then fails, finds that it is a listener of two no more.
    const int file = real::fcntl()(state.tcp, F_DUPFD_CLOEXEC, 0);
    if (file >= 0)
        put_behind(state, file);
    state.what = kind::tcp;
    close_own(state.tcp.exchange(-1));
    close_own(state.vsock.exchange(-1));
    errno = error;
}

bool is_listener_of(int descriptor, int tcp, int vsock) {
    for (const int one : {tcp, vsock}) {
        auto event = arrivals(); // as it is there already: nothing changes
        if (real::epoll_ctl()(descriptor, EPOLL_CTL_MOD, one, &event) != 0)
            return false;
    }
    return true;
}

} // namespace xvsock::preload
