// SPDX-License-Identifier: MIT
// socket(), bind(), connect(), listen() and accept(): where it is decided what is carried.
#include "address_map.hpp"
#include "carry.hpp"
#include "listener.hpp"
#include "memory.hpp"
#include "own_address.hpp"
#include "real_calls.hpp"
#include "state_of.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <poll.h>

namespace xvsock::preload {

namespace {

bool is_tcp(int family, int type, int protocol) {
    return address_size(family) != 0 && (type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) == SOCK_STREAM &&
           (protocol == 0 || protocol == IPPROTO_TCP);
}

state_pointer new_state(int family) {
    auto state = std::make_shared<socket_state>();
    state->family = family;
    return state;
}

void track(int descriptor, const state_pointer& state) {
    const auto held = socket_table::instance().lock();
    socket_table::instance().add(descriptor, state);
}

template <typename Value> Value option_of(int descriptor, int name) {
    Value value{};
    socklen_t size = sizeof value;
    real::getsockopt()(descriptor, SOL_SOCKET, name, &value, &size);
    return value;
}

/// Milliseconds for poll(), of SO_RCVTIMEO or SO_SNDTIMEO.
int limit_of(int descriptor, int name) {
    const auto limit = option_of<timeval>(descriptor, name);
    return limit.tv_sec == 0 && limit.tv_usec == 0
               ? -1
               : static_cast<int>(limit.tv_sec * 1000 + (limit.tv_usec + 999) / 1000);
}

/// Whether a call that the kernel would begin again after a signal is to end: a handler wants it so.
bool ends_calls(int error) {
    if (error != EINTR)
        return true;
    for (int number = 1; number < NSIG; ++number) {
        struct sigaction action {};
        if (::sigaction(number, nullptr, &action) == 0 && action.sa_handler != SIG_DFL &&
            action.sa_handler != SIG_IGN && (action.sa_flags & SA_RESTART) == 0)
            return true;
    }
    return false;
}

/// Waits as long as that; 0, or the errno: EAGAIN when the time is over.
int wait_for(int descriptor, short events, int limit) {
    pollfd ready{descriptor, events, 0};
    for (;;) {
        const int count = ::poll(&ready, 1, limit);
        if (count >= 0)
            return count > 0 ? 0 : EAGAIN;
        if (ends_calls(errno))
            return errno;
    }
}

bool is_connected(int descriptor, const socket_state& state) {
    if (state.what == kind::stream)
        return state.connected;
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    return real::getpeername()(descriptor, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
}

int bind_to(int descriptor, socket_state& state, const sockaddr* address, socklen_t size) {
    if (state.what == kind::stream)
        return fail(EINVAL); // is bound
    if (state.what == kind::listener)
        return real::bind()(state.tcp, address, size);
    int result = real::bind()(descriptor, address, size);
    if (result != 0 && errno == EADDRNOTAVAIL)
        if (const auto here = loopback_for(address, size); here.ss_family != AF_UNSPEC) {
            // It is of IPv4, which the program does not see.
            const int no = 0;
            if (state.only6)
                real::setsockopt()(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
            result = real::bind()(descriptor, reinterpret_cast<const sockaddr*>(&here),
                                  address_size(here.ss_family));
        }
    if (result == 0)
        state.port_chosen = port_of(address) != 0;
    return result;
}

/// Makes the socket one that can be connected to there.
bool prepare(int descriptor, socket_state& state, bool carried) {
    if (state.what == kind::tcp)
        return !carried || is_connected(descriptor, state) || become_stream(state);
    // After a connect() that failed a program may try the next address.
    return carried || state.connecting || state.connected || become_tcp(state);
}

/// connect() to an address of no family: TCP's way to be unconnected again.
int disconnect(int descriptor, socket_state& state, const sockaddr* address, socklen_t size) {
    const auto held = socket_table::instance().lock();
    if (state.what == kind::stream)
        return become_tcp(state) ? 0 : -1;
    if (state.what == kind::listener)
        leave_peers(state);
    return real::connect()(descriptor, address, size);
}

int connect_here(int descriptor, const sockaddr* address, socklen_t size) {
    const auto here = loopback_for(address, size);
    if (here.ss_family == AF_UNSPEC)
        return real::connect()(descriptor, address, size);
    return real::connect()(descriptor, reinterpret_cast<const sockaddr*>(&here),
                           address_size(here.ss_family));
}

int note_outcome(socket_state& state, int error) {
    const auto held = socket_table::instance().lock();
    state.connecting = false;
    state.connected = error == 0;
    return error == 0 ? 0 : fail(tcp_error(error));
}

/// Begins to connect; the errno. Never blocking: AF_VSOCK takes a connect() back when a signal comes, and TCP
/// goes on.
int begin_connecting(int descriptor, const sockaddr_vm& address, int flags) {
    if ((flags & O_NONBLOCK) == 0)
        real::fcntl()(descriptor, F_SETFL, flags | O_NONBLOCK);
    const bool done =
        real::connect()(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    const int error = done ? 0 : errno;
    if ((flags & O_NONBLOCK) == 0)
        real::fcntl()(descriptor, F_SETFL, flags);
    return error;
}

int carry_to(int descriptor, socket_state& state, std::uint32_t cid, const sockaddr* there, socklen_t size) {
    if (state.connected)
        return fail(EISCONN);
    const int flags = real::fcntl()(descriptor, F_GETFL);
    const bool blocks = (flags & O_NONBLOCK) == 0;
    if (!state.connecting) {
        const int error = begin_connecting(descriptor, vsock_address(cid, port_of(there)), flags);
        if (error != EINPROGRESS)
            return note_outcome(state, error);
        const auto held = socket_table::instance().lock();
        state.connecting = true;
        state.peer = {};
        std::memcpy(&state.peer, there, std::min<socklen_t>(size, sizeof state.peer));
        if (!blocks)
            return fail(EINPROGRESS);
    }
    const int error = wait_for(descriptor, POLLOUT, blocks ? limit_of(descriptor, SO_SNDTIMEO) : 0);
    if (error == EAGAIN) // SO_SNDTIMEO is over, or nothing has come of it yet
        return fail(blocks ? EINPROGRESS : EALREADY);
    if (error != 0)
        return fail(error);
    return note_outcome(state, option_of<int>(descriptor, SO_ERROR));
}

int accept_vsock(int listener, const state_pointer& of, sockaddr* address, socklen_t* size, int flags) {
    sockaddr_vm peer{};
    socklen_t length = sizeof peer;
    const int accepted = real::accept4()(listener, reinterpret_cast<sockaddr*>(&peer), &length, flags);
    if (accepted < 0)
        return accepted;
    // The program takes it for one of TCP, which has its listener's options.
    const auto state = new_state(of->family);
    state->connected = true;
    state->peer =
        map().address_of(peer.svm_cid, of->family, static_cast<std::uint16_t>(peer.svm_port), of->only6);
    state->what = kind::stream;
    const auto shown = state->peer;
    {
        const auto held = socket_table::instance().lock();
        state->options = of->options;
        for (const auto& one : state->options)
            if (one.level == SOL_SOCKET)
                replay(accepted, one);
        socket_table::instance().add(accepted, state);
    }
    give_address(shown, address, size);
    return accepted;
}

/// One of a listener's two, in turns; -1 and EAGAIN when neither has a connection.
int accept_now(const state_pointer& state, sockaddr* address, socklen_t* size, int flags) {
    const bool vsock_first = !state->vsock_first;
    state->vsock_first = vsock_first;
    for (const bool vsock : {vsock_first, !vsock_first}) {
        const int accepted = vsock ? accept_vsock(state->vsock, state, address, size, flags)
                                   : untracked(real::accept4()(state->tcp, address, size, flags));
        if (accepted >= 0 || (errno != EAGAIN && errno != ECONNABORTED))
            return accepted;
    }
    return fail(EAGAIN);
}

/// A listener may become one of TCP only meanwhile, by another thread's shutdown().
int accept_of(int descriptor, const state_pointer& state, sockaddr* address, socklen_t* size, int flags) {
    while (state->what == kind::listener) {
        const int accepted = accept_now(state, address, size, flags);
        if (accepted < 0 && state->what != kind::listener)
            break;
        if (accepted >= 0 || errno != EAGAIN || (real::fcntl()(descriptor, F_GETFL) & O_NONBLOCK) != 0)
            return accepted;
        if (const int error = wait_for(descriptor, POLLIN, limit_of(state->tcp, SO_RCVTIMEO)))
            return fail(error);
    }
    return untracked(real::accept4()(descriptor, address, size, flags));
}

} // namespace

} // namespace xvsock::preload

using namespace xvsock::preload;

extern "C" {

int socket(int family, int type, int protocol) noexcept {
    const int made = untracked(real::socket()(family, type, protocol));
    if (made >= 0 && is_tcp(family, type, protocol))
        track(made, new_state(family));
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
    if (!table.knows(descriptor) || !is_memory(address))
        return real::connect()(descriptor, address, size);
    if (size < sizeof(sa_family_t) || size > sizeof(sockaddr_storage))
        return fail(EINVAL);
    const auto state = state_of(descriptor);
    if (state && address->sa_family == AF_UNSPEC)
        return disconnect(descriptor, *state, address, size);
    if (state && state->what == kind::listener)
        return real::connect()(state->tcp, address, size);
    const auto cid = map().cid_of(address, size);
    const bool carried = cid && *cid != map().own();
    // It may have been closed unseen, and be something else now.
    if (carried && option_of<int>(descriptor, SO_TYPE) != SOCK_STREAM)
        return real::connect()(untracked(descriptor), address, size);
    if (state && address_size(address->sa_family) != 0) {
        const auto held = table.lock();
        if (!prepare(descriptor, *state, carried))
            return -1;
    }
    if (!state || state->what != kind::stream)
        return connect_here(descriptor, address, size);
    if (!state->connected && address_size(address->sa_family) == 0)
        return fail(EAFNOSUPPORT);
    if (!state->connected && !cid && size < address_size(address->sa_family))
        return fail(EINVAL);
    return carry_to(descriptor, *state, carried ? *cid : 0, address, size);
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
    if (state && state->what == kind::stream)
        return fail(EINVAL); // is connected
    const int result = real::listen()(descriptor, backlog);
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    const auto* const here = reinterpret_cast<const sockaddr*>(&bound);
    if (result == 0 && state && map().own() != 0 &&
        real::getsockname()(descriptor, reinterpret_cast<sockaddr*>(&bound), &size) == 0 &&
        (is_any(bound) || map().cid_of(here, size) == map().own() || map().is_own_on_loopback(here, size)))
        become_listener(*state, port_of(here), backlog);
    return result;
}

int accept4(int descriptor, sockaddr* address, socklen_t* size, int flags) {
    const auto state = state_of(descriptor);
    if (!state || state->what == kind::tcp)
        return untracked(real::accept4()(descriptor, address, size, flags));
    if (state->what == kind::stream)
        return fail(EINVAL); // does not listen
    if (address != nullptr && !(is_memory(address) && is_memory(size)))
        return fail(EFAULT);
    return accept_of(descriptor, state, address, size, flags);
}

int accept(int descriptor, sockaddr* address, socklen_t* size) {
    return accept4(descriptor, address, size, 0);
}

int shutdown(int descriptor, int how) noexcept {
    const auto state = state_of(descriptor);
    if (!state || state->what != kind::listener)
        return real::shutdown()(descriptor, how);
    if (how == SHUT_RD || how == SHUT_RDWR) { // it is none any more
        const auto held = socket_table::instance().lock();
        if (state->what == kind::listener)
            leave_peers(*state);
        return real::shutdown()(descriptor, how);
    }
    return real::shutdown()(state->tcp, how);
}

} // extern "C"
