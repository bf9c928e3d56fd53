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
/// seconds. The fraction is the mark of a carried socket: the kernel keeps it with the socket, through exec()
/// and Unix sockets, and passes it on to those that are accepted.
constexpr time_t connect_seconds = 130;
constexpr suseconds_t mark4 = 500'000;
constexpr suseconds_t mark6 = 750'000;
constexpr suseconds_t tick = 10'000; // a kernel rounds up to its own

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

bool names_memory(const socket_state::option& option) {
    return option.level == SOL_SOCKET &&
           (option.name == SO_ATTACH_FILTER || option.name == SO_ATTACH_REUSEPORT_CBPF);
}

std::optional<int> number_of(int socket, int name, int level = SOL_SOCKET) {
    int value = 0;
    socklen_t size = sizeof value;
    return real::getsockopt()(socket, level, name, &value, &size) == 0 ? std::optional(value) : std::nullopt;
}

/// The family that a marked socket is carried for.
std::optional<int> marked_family(int socket) {
    timeval mark{};
    socklen_t size = sizeof mark;
    if (real::getsockopt()(socket, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &mark, &size) != 0 ||
        mark.tv_sec != connect_seconds)
        return std::nullopt;
    const auto is = [&](suseconds_t one) { return mark.tv_usec >= one && mark.tv_usec < one + tick; };
    return is(mark4) ? std::optional(AF_INET) : is(mark6) ? std::optional(AF_INET6) : std::nullopt;
}

} // namespace

int marked_socket(int family, int flags) {
    const int socket = real::socket()(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    const timeval mark{connect_seconds, family == AF_INET ? mark4 : mark6};
    if (socket >= 0)
        real::setsockopt()(socket, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &mark, sizeof mark);
    return socket;
}

bool bind_vsock(int socket, std::uint16_t port) {
    const auto address = vsock_address(VMADDR_CID_ANY, port);
    return real::bind()(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

void replay(int socket, const socket_state::option& option) {
    if (!names_memory(option))
        real::setsockopt()(socket, option.level, option.name, option.value.data(),
                           static_cast<socklen_t>(option.value.size()));
}

void note_option(socket_state& state, int level, int name, const void* value, socklen_t size) {
    constexpr socklen_t most = 256; // of what the kernel has read; none is larger
    std::erase_if(state.options, [&](const auto& one) { return one.level == level && one.name == name; });
    const auto* const bytes = static_cast<const char*>(value);
    state.options.push_back({level, name, std::vector<char>(bytes, bytes + std::min(size, most))});
}

state_pointer recognised(int descriptor) {
    const auto domain = number_of(descriptor, SO_DOMAIN);
    if (!domain || number_of(descriptor, SO_TYPE) != SOCK_STREAM)
        return nullptr;
    auto state = std::make_shared<socket_state>();
    if (address_size(*domain) != 0 && number_of(descriptor, SO_PROTOCOL) == IPPROTO_TCP) {
        state->family = *domain;
        state->only6 = number_of(descriptor, IPV6_V6ONLY, IPPROTO_IPV6) == 1;
        return state;
    }
    const auto family = *domain == AF_VSOCK ? marked_family(descriptor) : std::nullopt;
    if (!family)
        return nullptr;
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    state->family = *family;
    state->what = kind::stream;
    state->connected = real::getpeername()(descriptor, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
    return state;
}

/// Puts the file behind all descriptors of the socket, into the program's epolls, too.
void put_behind(socket_state& state, int file) {
    const int error = errno;
    const int status = real::fcntl()(state.descriptors.front(), F_GETFL);
    real::fcntl()(file, F_SETFL, (real::fcntl()(file, F_GETFL) & ~O_NONBLOCK) | (status & O_NONBLOCK));
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

bool is_only6(const sockaddr_storage& address) {
    return address.ss_family == AF_INET6 &&
           !IN6_IS_ADDR_V4MAPPED(&reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr);
}

void give_address(const sockaddr_storage& address, sockaddr* to, socklen_t* size) {
    if (to == nullptr || size == nullptr)
        return;
    const auto whole = address_size(address.ss_family);
    // A negative size, which the kernel refuses, is nothing here.
    if (const auto room = static_cast<int>(*size); room > 0)
        std::memcpy(to, &address, std::min(*size, whole));
    *size = whole;
}

bool become_stream(socket_state& state) {
    const int old = state.descriptors.front();
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    std::uint16_t port = 0;
    if (real::getsockname()(old, reinterpret_cast<sockaddr*>(&bound), &size) == 0)
        port = port_of(reinterpret_cast<const sockaddr*>(&bound));
    const int file = marked_socket(state.family, 0);
    if (file < 0)
        return false;
    bool is_bound = port != 0 && bind_vsock(file, port);
    // What TCP has chosen may be taken here: TCP's ports are others.
    if (port == 0 || (!is_bound && errno == EADDRINUSE && !state.port_chosen))
        is_bound = bind_ephemeral(file);
    if (!is_bound) {
        const int error = errno;
        real::close()(file);
        errno = error;
        return false;
    }
    // Those of other levels AF_VSOCK does not have; they are only remembered.
    for (const auto& one : state.options)
        if (one.level == SOL_SOCKET)
            replay(file, one);
    put_behind(state, file);
    state.what = kind::stream;
    return true;
}

bool become_tcp(socket_state& state) {
    const int file = real::socket()(state.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (file < 0)
        return false;
    for (const auto& one : state.options)
        replay(file, one);
    put_behind(state, file);
    state.what = kind::tcp;
    state.connecting = false;
    state.connected = false;
    state.peer = {};
    return true;
}

} // namespace xvsock::preload
