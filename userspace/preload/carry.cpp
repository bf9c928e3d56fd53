// SPDX-License-Identifier: MIT
#include "carry.hpp"

#include "address_map.hpp"
#include "real_calls.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <random>

#include <netinet/in.h>
#include <netinet/tcp.h>

namespace xvsock::preload {

namespace {

// As Linux takes ports for TCP, by default.
constexpr std::uint16_t first_ephemeral = 32768;
constexpr std::uint16_t last_ephemeral = 60999;

/// How long a connect() waits for an answer: TCP's two minutes and something, rather than AF_VSOCK's two
/// seconds.
constexpr timeval connect_timeout{130, 0};

/// Our own descriptors are out of the way of programs that count on low ones.
constexpr int first_inner = 500;

bool bind_vsock(int socket, std::uint16_t port) {
    const auto address = vsock_address(VMADDR_CID_ANY, port);
    return real::bind()(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

bool bind_ephemeral(int socket) {
    static thread_local std::minstd_rand random(std::random_device{}());
    std::uniform_int_distribution<int> ports(first_ephemeral, last_ephemeral);
    const int start = ports(random);
    for (int i = 0; i <= last_ephemeral - first_ephemeral; ++i) {
        const int count = last_ephemeral - first_ephemeral + 1;
        if (bind_vsock(socket,
                       static_cast<std::uint16_t>(first_ephemeral + (start - first_ephemeral + i) % count)))
            return true;
        if (errno != EADDRINUSE)
            return false;
    }
    return false;
}

/// What the program has set that is the same for every kind of socket.
void copy_options(int from, int to) {
    for (const int name : {SO_RCVTIMEO, SO_SNDTIMEO, SO_LINGER, SO_KEEPALIVE, SO_RCVLOWAT, SO_PRIORITY}) {
        char value[64];
        socklen_t size = sizeof value;
        if (real::getsockopt()(from, SOL_SOCKET, name, value, &size) == 0)
            real::setsockopt()(to, SOL_SOCKET, name, value, size);
    }
}

/// Options that AF_VSOCK does not have, which the socket remembers from now on.
void note_options(socket_state& state) {
    const int from = state.descriptors.front();
    for (const int name : {TCP_NODELAY, TCP_CORK, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT,
                           TCP_LINGER2, TCP_DEFER_ACCEPT, TCP_USER_TIMEOUT}) {
        std::vector<char> value(sizeof(int));
        socklen_t size = sizeof(int);
        if (real::getsockopt()(from, IPPROTO_TCP, name, value.data(), &size) == 0)
            state.options.push_back({IPPROTO_TCP, name, std::move(value)});
    }
}

/// Puts the file behind all descriptors of the socket, into the program's epolls, too.
void put_behind(socket_state& state, int file) {
    const int error = errno;
    const int status = real::fcntl()(state.descriptors.front(), F_GETFL);
    real::fcntl()(file, F_SETFL, real::fcntl()(file, F_GETFL) | (status & O_NONBLOCK));
    // The old file may go on elsewhere: in a listener, or in another process.
    for (const auto& one : state.registrations)
        real::epoll_ctl()(one.epoll, EPOLL_CTL_DEL, one.descriptor, nullptr);
    for (const int descriptor : state.descriptors) {
        const int flags = real::fcntl()(descriptor, F_GETFD);
        real::dup3()(file, descriptor, (flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0);
    }
    real::close()(file);
    for (auto& one : state.registrations) {
        one.event.events &= ~static_cast<std::uint32_t>(EPOLLEXCLUSIVE); // not for an epoll in an epoll
        real::epoll_ctl()(one.epoll, EPOLL_CTL_ADD, one.descriptor, &one.event);
    }
    errno = error;
}

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

} // namespace

sockaddr_vm vsock_address(std::uint32_t cid, std::uint32_t port) {
    sockaddr_vm address{};
    address.svm_family = AF_VSOCK;
    address.svm_cid = cid;
    address.svm_port = port;
    return address;
}

int tcp_error(int error) {
    switch (error) {
    case ECONNRESET: // nobody listens
        return ECONNREFUSED;
    case ENODEV:
    case ENETUNREACH:
    case EAFNOSUPPORT:
    case EPROTO:
        return EHOSTUNREACH;
    default:
        return error;
    }
}

std::uint16_t port_of(const sockaddr* address) {
    sockaddr_in four{}; // whose port is where IPv6 has it
    if (address == nullptr || address_size(address->sa_family) == 0)
        return 0;
    std::memcpy(&four, address, 4);
    return ntohs(four.sin_port);
}

bool is_any(const sockaddr_storage& address) {
    if (address.ss_family == AF_INET) {
        sockaddr_in four{};
        std::memcpy(&four, &address, sizeof four);
        return four.sin_addr.s_addr == htonl(INADDR_ANY);
    }
    sockaddr_in6 six{};
    std::memcpy(&six, &address, sizeof six);
    return address.ss_family == AF_INET6 &&
           std::memcmp(&six.sin6_addr, &in6addr_any, sizeof in6addr_any) == 0;
}

void give_address(const sockaddr_storage& address, sockaddr* to, socklen_t* size) {
    if (to == nullptr || size == nullptr)
        return;
    const auto whole = address_size(address.ss_family);
    std::memcpy(to, &address, std::min(*size, whole));
    *size = whole;
}

bool become_stream(socket_state& state, std::optional<std::uint16_t> port) {
    const int old = state.descriptors.front();
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    if (!port && real::getsockname()(old, reinterpret_cast<sockaddr*>(&bound), &size) == 0)
        port = port_of(reinterpret_cast<const sockaddr*>(&bound));
    const int file = real::socket()(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (file < 0)
        return false;
    bool is_bound = port.value_or(0) != 0 && bind_vsock(file, *port);
    // What TCP has chosen may be taken here: TCP's ports are others.
    if (port.value_or(0) == 0 || (!is_bound && errno == EADDRINUSE && !state.port_chosen))
        is_bound = bind_ephemeral(file);
    if (!is_bound) {
        const int error = errno;
        real::close()(file);
        errno = error;
        return false;
    }
    real::setsockopt()(file, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &connect_timeout,
                       sizeof connect_timeout);
    copy_options(old, file);
    note_options(state);
    put_behind(state, file);
    state.what = kind::stream;
    return true;
}

bool become_tcp(socket_state& state) {
    const int file = real::socket()(state.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (file < 0)
        return false;
    copy_options(state.descriptors.front(), file);
    for (const auto& one : state.options)
        real::setsockopt()(file, one.level, one.name, one.value.data(),
                           static_cast<socklen_t>(one.value.size()));
    put_behind(state, file);
    state.options.clear();
    state.what = kind::tcp;
    return true;
}

void become_listener(socket_state& state, std::uint16_t port, int backlog) {
    const int error = errno;
    const int vsock = real::socket()(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    int inner_vsock = -1;
    int inner_tcp = -1;
    const bool is_free = vsock >= 0 && bind_vsock(vsock, port);
    if (!is_free)
        ::dprintf(STDERR_FILENO, "xvsock run: peers do not reach the listener at port %u: %s\n", port,
                  errno == EADDRINUSE ? "another one has it" : std::strerror(errno));
    if (is_free && epoll >= 0 && real::listen()(vsock, backlog) == 0) {
        inner_vsock = own_descriptor(vsock);
        inner_tcp = own_descriptor(state.descriptors.front());
    }
    if (vsock >= 0)
        real::close()(vsock);
    epoll_event event{};
    event.events = EPOLLIN;
    if (inner_tcp >= 0 && inner_vsock >= 0 &&
        real::epoll_ctl()(epoll, EPOLL_CTL_ADD, inner_tcp, &event) == 0 &&
        real::epoll_ctl()(epoll, EPOLL_CTL_ADD, inner_vsock, &event) == 0) {
        put_behind(state, epoll);
        // Whether accept() waits is decided above them.
        real::fcntl()(inner_tcp, F_SETFL, real::fcntl()(inner_tcp, F_GETFL) | O_NONBLOCK);
        state.tcp = inner_tcp;
        state.vsock = inner_vsock;
        state.what = kind::listener;
    } else {
        close_own(inner_tcp);
        close_own(inner_vsock);
        if (epoll >= 0)
            real::close()(epoll);
    }
    errno = error;
}

} // namespace xvsock::preload
