// SPDX-License-Identifier: MIT
// Options: all that were set on a TCP socket are remembered, for when it is carried. Those of TCP, IP and
// IPv6 AF_VSOCK does not have; what they would be, a socket of TCP says.
#include "carry.hpp"
#include "memory.hpp"
#include "real_calls.hpp"
#include "state_of.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstring>

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/syscall.h>

using namespace xvsock::preload;

namespace {

/// What AF_VSOCK does not have: all levels but the sockets' own, and SO_REUSEPORT, which kernels keep to IP.
bool is_remembered(int level, int name) {
    return level != SOL_SOCKET || name == SO_REUSEPORT;
}

/// A TCP socket that is only asked what it would say.
class model {
public:
    explicit model(const socket_state& state)
        : socket_(real::socket()(state.family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        for (const auto& one : state.options)
            replay(socket_, one);
    }
    model(const model&) = delete;
    model& operator=(const model&) = delete;
    ~model() {
        const int error = errno;
        ::syscall(SYS_close, socket_); // no cancellation point
        errno = error;
    }
    [[nodiscard]] int get() const { return socket_; }

private:
    int socket_;
};

int remember(socket_state& state, int level, int name, const void* value, socklen_t size) {
    const model would(state);
    // Without a descriptor for the model it is believed.
    if (would.get() >= 0 && real::setsockopt()(would.get(), level, name, value, size) != 0)
        return -1;
    if (!is_memory(value))
        return fail(EFAULT);
    note_option(state, level, name, value, size);
    return 0;
}

int recall(const socket_state& state, int level, int name, void* value, socklen_t* size) {
    const model would(state);
    if (would.get() < 0)
        return fail(ENOBUFS);
    if (real::getsockopt()(would.get(), level, name, value, size) != 0)
        return -1;
    if (level == IPPROTO_TCP && name == TCP_INFO && *size > 0)
        static_cast<tcp_info*>(value)->tcpi_state = TCP_ESTABLISHED;
    return 0;
}

int give_number(int number, void* value, socklen_t* size) {
    if (!is_memory(value) || !is_memory(size))
        return fail(EFAULT);
    if (static_cast<int>(*size) < 0)
        return fail(EINVAL);
    *size = std::min(*size, socklen_t{sizeof number});
    std::memcpy(value, &number, *size);
    return 0;
}

/// What AF_VSOCK says otherwise than TCP. True when that is answered here.
bool answer_for_socket(int descriptor, socket_state& state, int name, void* value, socklen_t* size,
                       int& result) {
    switch (name) {
    case SO_DOMAIN:
        result = give_number(state.family, value, size);
        return true;
    case SO_PROTOCOL:
        result = give_number(IPPROTO_TCP, value, size);
        return true;
    case SO_ERROR: {
        // Asked before the error, which may come meanwhile.
        pollfd ready{descriptor, POLLOUT, 0};
        const bool is_ready = ::poll(&ready, 1, 0) != 0;
        int error = 0;
        socklen_t length = sizeof error;
        result = real::getsockopt()(descriptor, SOL_SOCKET, SO_ERROR, &error, &length);
        const auto held = socket_table::instance().lock();
        if (state.connecting && error != 0)
            error = tcp_error(error);
        if (state.connecting && (is_ready || error != 0)) {
            state.connecting = false;
            state.connected = error == 0;
        }
        if (result == 0)
            result = give_number(error, value, size);
        return true;
    }
    default:
        return false;
    }
}

/// What FIONREAD says of TCP, which AF_VSOCK has only later: bytes that can be read, as far as we look.
int readable(int descriptor, int* count) {
    if (!is_memory(count))
        return fail(EFAULT);
    constexpr std::size_t most = 65536;
    static thread_local std::vector<char> sink(most);
    const auto got = real::recv()(descriptor, sink.data(), sink.size(), MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && errno != EAGAIN)
        return -1;
    *count = got < 0 ? 0 : static_cast<int>(got);
    return 0;
}

} // namespace

extern "C" {

int getsockopt(int descriptor, int level, int name, void* value, socklen_t* size) noexcept {
    const auto state = state_of(descriptor);
    if (state && state->only6 && state->what != kind::stream && level == IPPROTO_IPV6 && name == IPV6_V6ONLY)
        return give_number(1, value, size); // at our own address the socket has IPv4
    if (!state || state->what == kind::tcp)
        return real::getsockopt()(descriptor, level, name, value, size);
    if (state->what == kind::listener)
        return real::getsockopt()(state->tcp, level, name, value, size);
    int result = 0;
    if (level == SOL_SOCKET && answer_for_socket(descriptor, *state, name, value, size, result))
        return result;
    if (!is_remembered(level, name))
        return real::getsockopt()(descriptor, level, name, value, size);
    const auto held = socket_table::instance().lock();
    return recall(*state, level, name, value, size);
}

int setsockopt(int descriptor, int level, int name, const void* value, socklen_t size) noexcept {
    const auto state = state_of(descriptor);
    if (!state)
        return real::setsockopt()(descriptor, level, name, value, size);
    const auto held = socket_table::instance().lock();
    if (state->what == kind::stream && is_remembered(level, name))
        return remember(*state, level, name, value, size);
    const int result = real::setsockopt()(state->what == kind::listener ? state->tcp.load() : descriptor,
                                          level, name, value, size);
    if (result != 0 || !is_memory(value))
        return result;
    note_option(*state, level, name, value, size);
    if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY)
        state->only6 = *static_cast<const int*>(value) != 0;
    return result;
}

int ioctl(int descriptor, unsigned long request, ...) noexcept { // NOLINT(cert-dcl50-cpp): C's
    va_list arguments;
    va_start(arguments, request);
    void* const argument = va_arg(arguments, void*);
    va_end(arguments);
    // SIOCGPGRP is the last one of those that any file has.
    const bool is_of_sockets = request == FIONREAD || request == SIOCOUTQ ||
                               (_IOC_TYPE(request) == SOCK_IOC_TYPE && request > SIOCGPGRP);
    const auto state = is_of_sockets ? state_of(descriptor) : nullptr;
    if (!state || state->what == kind::tcp)
        return real::ioctl()(descriptor, request, argument);
    if (state->what == kind::listener)
        return real::ioctl()(state->tcp, request, argument);
    if (request == FIONREAD)
        return readable(descriptor, static_cast<int*>(argument));
    // Of a connection TCP would say that nothing is urgent, and that what is written is the peer's; the rest
    // is about the host.
    const auto held = socket_table::instance().lock();
    const model would(*state);
    return would.get() < 0 ? fail(ENOBUFS) : real::ioctl()(would.get(), request, argument);
}

int sockatmark(int descriptor) noexcept {
    int answer = 0;
    return ioctl(descriptor, SIOCATMARK, &answer) == 0 ? answer : -1;
}

} // extern "C"
