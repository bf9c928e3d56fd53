// SPDX-License-Identifier: MIT
// Options of TCP, IP and IPv6, which AF_VSOCK does not have: a carried socket remembers them.
#include "carry.hpp"
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

bool is_remembered(int level) {
    return level == IPPROTO_TCP || level == IPPROTO_IP || level == IPPROTO_IPV6;
}

/// A TCP socket that is only asked what it would say.
class model {
public:
    explicit model(const socket_state& state)
        : socket_(real::socket()(state.family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        for (const auto& one : state.options)
            real::setsockopt()(socket_, one.level, one.name, one.value.data(),
                               static_cast<socklen_t>(one.value.size()));
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
    if (value == nullptr)
        return fail(EFAULT);
    std::erase_if(state.options, [&](const auto& one) { return one.level == level && one.name == name; });
    const auto* const bytes = static_cast<const char*>(value);
    state.options.push_back({level, name, std::vector<char>(bytes, bytes + size)});
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
    if (value == nullptr || size == nullptr)
        return fail(EFAULT);
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
        int error = 0;
        socklen_t length = sizeof error;
        result = real::getsockopt()(descriptor, SOL_SOCKET, SO_ERROR, &error, &length);
        pollfd ready{descriptor, POLLOUT, 0};
        const bool goes_on = error == 0 && ::poll(&ready, 1, 0) == 0;
        const auto held = socket_table::instance().lock();
        if (state.connecting && error != 0)
            error = tcp_error(error);
        if (state.connecting && !goes_on) {
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
    constexpr std::size_t most = 65536;
    static thread_local std::vector<char> sink(most);
    const auto got = ::recv(descriptor, sink.data(), sink.size(), MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && errno != EAGAIN)
        return -1;
    *count = got < 0 ? 0 : static_cast<int>(got);
    return 0;
}

} // namespace

extern "C" {

int getsockopt(int descriptor, int level, int name, void* value, socklen_t* size) noexcept {
    const auto state = state_of(descriptor);
    if (!state || state->what == kind::tcp)
        return real::getsockopt()(descriptor, level, name, value, size);
    if (state->what == kind::listener)
        return real::getsockopt()(state->tcp, level, name, value, size);
    int result = 0;
    if (level == SOL_SOCKET && answer_for_socket(descriptor, *state, name, value, size, result))
        return result;
    if (!is_remembered(level))
        return real::getsockopt()(descriptor, level, name, value, size);
    const auto held = socket_table::instance().lock();
    return recall(*state, level, name, value, size);
}

int setsockopt(int descriptor, int level, int name, const void* value, socklen_t size) noexcept {
    const auto state = state_of(descriptor);
    if (state && state->what == kind::listener)
        return real::setsockopt()(state->tcp, level, name, value, size);
    if (!state || state->what == kind::tcp || !is_remembered(level))
        return real::setsockopt()(descriptor, level, name, value, size);
    const auto held = socket_table::instance().lock();
    return remember(*state, level, name, value, size);
}

int ioctl(int descriptor, unsigned long request, ...) noexcept { // NOLINT(cert-dcl50-cpp): C's
    va_list arguments;
    va_start(arguments, request);
    void* const argument = va_arg(arguments, void*);
    va_end(arguments);
    const bool is_counted = request == FIONREAD || request == SIOCOUTQ || request == SIOCATMARK;
    if (!is_counted || !state_of(descriptor, kind::stream))
        return real::ioctl()(descriptor, request, argument);
    if (argument == nullptr)
        return fail(EFAULT);
    if (request == FIONREAD)
        return readable(descriptor, static_cast<int*>(argument));
    *static_cast<int*>(argument) = 0; // nothing is urgent, and what is written is the peer's
    return 0;
}

} // extern "C"
