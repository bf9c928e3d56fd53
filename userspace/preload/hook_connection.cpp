// SPDX-License-Identifier: MIT
// socket(), bind(), connect(), listen() and accept(): where it is decided what is carried.
#include "address_map.hpp"
#include "carry.hpp"
#include "real_calls.hpp"
#include "state_of.hpp"

#include <cerrno>
#include <cstring>

#include <poll.h>

namespace xvsock::preload {

namespace {

const address_map& map() {
    return address_map::of_environment();
}

bool is_tcp(int family, int type, int protocol) {
    return address_size(family) != 0 && (type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) == SOCK_STREAM &&
           (protocol == 0 || protocol == IPPROTO_TCP);
}

void track(int descriptor, kind what, int family) {
    auto state = std::make_shared<socket_state>();
    state->what = what;
    state->family = family;
    const auto held = socket_table::instance().lock();
    socket_table::instance().add(descriptor, state);
}

bool is_connected(int descriptor) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    return real::getpeername()(descriptor, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
}

int bind_to(int descriptor, socket_state& state, const sockaddr* address, socklen_t size) {
    // Our own address is none of the host's: only AF_VSOCK has it.
    if (state.what == kind::tcp && map().own() != 0 && map().cid_of(address, size) == map().own())
        return become_stream(state, port_of(address)) ? 0 : -1;
    if (state.what == kind::stream)
        return fail(EINVAL); // is bound
    return real::bind()(descriptor, address, size);
}

/// Makes the socket one that can be connected to there.
bool prepare(int descriptor, socket_state& state, bool carried) {
    if (state.what == kind::tcp)
        return !carried || is_connected(descriptor) || become_stream(state);
    // After a connect() that failed a program may try the next address.
    return carried || state.connecting || is_connected(descriptor) || become_tcp(state);
}

int carry_to(int descriptor, const state_pointer& state, std::uint32_t cid, std::uint16_t port) {
    const auto address = vsock_address(cid, port);
    const int result =
        real::connect()(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int error = errno;
    const auto held = socket_table::instance().lock();
    const bool was_connecting = state->connecting;
    state->connecting = result != 0 && (error == EINPROGRESS || error == EALREADY || error == EINTR);
    if (result == 0)
        return 0;
    if (error == EISCONN && was_connecting)
        return 0; // as TCP says once
    return fail(tcp_error(error));
}

/// An accepted AF_VSOCK connection, which the program takes for one of TCP.
int welcome(int descriptor, int family, const sockaddr_vm& peer, sockaddr* address, socklen_t* size) {
    track(descriptor, kind::stream, family);
    const auto shown = map().address_of(peer.svm_cid, family, static_cast<std::uint16_t>(peer.svm_port));
    if (const auto state = state_of(descriptor)) {
        const auto held = socket_table::instance().lock();
        state->peer = shown;
    }
    give_address(shown, address, size);
    return descriptor;
}

int accept_vsock(int listener, int family, sockaddr* address, socklen_t* size, int flags) {
    sockaddr_vm peer{};
    socklen_t length = sizeof peer;
    const int accepted = real::accept4()(listener, reinterpret_cast<sockaddr*>(&peer), &length, flags);
    return accepted < 0 ? accepted : welcome(accepted, family, peer, address, size);
}

/// One of a listener's two, in turns; -1 and EAGAIN when neither has a connection.
int accept_now(socket_state& state, sockaddr* address, socklen_t* size, int flags) {
    const bool vsock_first = !state.vsock_first;
    state.vsock_first = vsock_first;
    for (const bool vsock : {vsock_first, !vsock_first}) {
        const int accepted = vsock ? accept_vsock(state.vsock, state.family, address, size, flags)
                                   : real::accept4()(state.tcp, address, size, flags);
        if (accepted >= 0 || (errno != EAGAIN && errno != ECONNABORTED))
            return accepted;
    }
    return fail(EAGAIN);
}

int accept_of(int descriptor, socket_state& state, sockaddr* address, socklen_t* size, int flags) {
    for (;;) {
        const int accepted = accept_now(state, address, size, flags);
        if (accepted >= 0 || errno != EAGAIN || (real::fcntl()(descriptor, F_GETFL) & O_NONBLOCK) != 0)
            return accepted;
        pollfd ready{descriptor, POLLIN, 0};
        if (::poll(&ready, 1, -1) < 0)
            return -1;
    }
}

} // namespace

} // namespace xvsock::preload

using namespace xvsock::preload;

extern "C" {

int socket(int family, int type, int protocol) noexcept {
    const int made = real::socket()(family, type, protocol);
    if (made >= 0 && is_tcp(family, type, protocol))
        track(made, kind::tcp, family);
    return made;
}

int bind(int descriptor, const sockaddr* address, socklen_t size) noexcept {
    auto& table = socket_table::instance();
    if (!table.knows(descriptor))
        return real::bind()(descriptor, address, size);
    const auto held = table.lock();
    const auto state = table.find(descriptor);
    return state ? bind_to(descriptor, *state, address, size) : real::bind()(descriptor, address, size);
}

int connect(int descriptor, const sockaddr* address, socklen_t size) {
    auto& table = socket_table::instance();
    if (!table.knows(descriptor) || address == nullptr || address_size(address->sa_family) == 0)
        return real::connect()(descriptor, address, size);
    const auto cid = map().cid_of(address, size);
    const bool carried = cid && *cid != map().own();
    state_pointer state;
    {
        const auto held = table.lock();
        state = table.find(descriptor);
        if (!state)
            return real::connect()(descriptor, address, size);
        if (state->what == kind::listener)
            return fail(EISCONN);
        if (!prepare(descriptor, *state, carried))
            return -1;
        if (state->what == kind::stream && carried && !state->connecting) {
            state->peer = {};
            std::memcpy(&state->peer, address, std::min<std::size_t>(size, sizeof state->peer));
        }
    }
    if (state->what != kind::stream)
        return real::connect()(descriptor, address, size);
    return carry_to(descriptor, state, carried ? *cid : 0, port_of(address));
}

int listen(int descriptor, int backlog) noexcept {
    auto& table = socket_table::instance();
    if (!table.knows(descriptor))
        return real::listen()(descriptor, backlog);
    const auto held = table.lock();
    const auto state = table.find(descriptor);
    if (state && state->what == kind::listener) {
        real::listen()(state->vsock, backlog);
        return real::listen()(state->tcp, backlog);
    }
    const int result = real::listen()(descriptor, backlog);
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    if (result == 0 && state && state->what == kind::tcp && map().own() != 0 &&
        real::getsockname()(descriptor, reinterpret_cast<sockaddr*>(&bound), &size) == 0 && is_any(bound))
        become_listener(*state, port_of(reinterpret_cast<const sockaddr*>(&bound)), backlog);
    return result;
}

int accept4(int descriptor, sockaddr* address, socklen_t* size, int flags) {
    const auto state = state_of(descriptor);
    if (!state || state->what == kind::tcp)
        return real::accept4()(descriptor, address, size, flags);
    if (state->what == kind::stream)
        return accept_vsock(descriptor, state->family, address, size, flags);
    return accept_of(descriptor, *state, address, size, flags);
}

int accept(int descriptor, sockaddr* address, socklen_t* size) {
    return accept4(descriptor, address, size, 0);
}

int shutdown(int descriptor, int how) noexcept {
    const auto state = state_of(descriptor);
    if (!state || state->what != kind::listener)
        return real::shutdown()(descriptor, how);
    real::shutdown()(state->vsock, how);
    return real::shutdown()(state->tcp, how);
}

} // extern "C"
