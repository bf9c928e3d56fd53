// SPDX-License-Identifier: MIT
// Descriptors: copies, closing, and the program's epolls.
#include "real_calls.hpp"
#include "state_of.hpp"

#include <cstdarg>

using namespace xvsock::preload;

namespace {

/// `copy` is another descriptor of the same socket now, or of none that is ours.
int copied(int descriptor, int copy) {
    auto& table = socket_table::instance();
    if (copy < 0 || descriptor == copy || (!table.knows(descriptor) && !table.knows(copy)))
        return copy;
    const int error = errno;
    const auto held = table.lock();
    if (const auto state = table.find(descriptor))
        table.add(copy, state);
    else
        table.drop(copy);
    errno = error;
    return copy;
}

void forget(int descriptor) {
    auto& table = socket_table::instance();
    table.forget_epoll(descriptor);
    if (!table.knows(descriptor))
        return;
    const auto held = table.lock();
    table.drop(descriptor);
}

} // namespace

extern "C" {

int close(int descriptor) {
    if (socket_table::instance().is_inner(descriptor))
        return fail(EBADF); // for the program there is no such descriptor
    forget(descriptor);
    return real::close()(descriptor);
}

int close_range(unsigned first, unsigned last, int flags) noexcept {
    auto& table = socket_table::instance();
    if (first > last || (flags & ~static_cast<int>(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE)) != 0)
        return fail(EINVAL);
    const bool closes = (flags & static_cast<int>(CLOSE_RANGE_CLOEXEC)) == 0;
    // Around what is ours, which goes by itself when a program is executed.
    for (unsigned i = first; i <= last && i < static_cast<unsigned>(table.end()); ++i) {
        const auto descriptor = static_cast<int>(i);
        if (closes)
            forget(descriptor);
        if (!table.is_inner(descriptor))
            continue;
        if (i > first && real::close_range()(first, i - 1, flags) != 0)
            return -1;
        first = i + 1;
    }
    return first > last ? 0 : real::close_range()(first, last, flags);
}

void closefrom(int first) noexcept {
    close_range(static_cast<unsigned>(first < 0 ? 0 : first), ~0U, 0);
}

int dup(int descriptor) noexcept {
    return copied(descriptor, real::dup()(descriptor));
}

int dup2(int descriptor, int copy) noexcept {
    socket_table::instance().make_room(copy);
    const int result = real::dup2()(descriptor, copy);
    if (result >= 0)
        socket_table::instance().forget_epoll(copy);
    return copied(descriptor, result);
}

int dup3(int descriptor, int copy, int flags) noexcept {
    socket_table::instance().make_room(copy);
    const int result = real::dup3()(descriptor, copy, flags);
    if (result >= 0)
        socket_table::instance().forget_epoll(copy);
    return copied(descriptor, result);
}

int fcntl(int descriptor, int command, ...) { // NOLINT(cert-dcl50-cpp): C's
    va_list arguments;
    va_start(arguments, command);
    void* const argument = va_arg(arguments, void*);
    va_end(arguments);
    const int result = real::fcntl()(descriptor, command, argument);
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? copied(descriptor, result) : result;
}

// What programs with large files call it.
int fcntl64(int descriptor, int command, ...) __attribute__((alias("fcntl")));

int fclose(FILE* file) {
    const int error = errno;
    const int descriptor = ::fileno(file);
    errno = error;
    forget(descriptor);
    return real::fclose()(file);
}

// A listener is a socket.
int fstat(int descriptor, struct stat* status) noexcept {
    const auto state = state_of(descriptor, kind::listener);
    return real::fstat()(state ? state->tcp.load() : descriptor, status);
}

int fstat64(int descriptor, struct stat64* status) noexcept {
    const auto state = state_of(descriptor, kind::listener);
    return real::fstat64()(state ? state->tcp.load() : descriptor, status);
}

int epoll_ctl(int epoll, int operation, int descriptor, epoll_event* event) noexcept {
    const auto state = state_of(descriptor);
    if (!state)
        return real::epoll_ctl()(epoll, operation, descriptor, event);
    const auto held = socket_table::instance().lock();
    int result = 0;
    if (state->what == kind::listener && operation == EPOLL_CTL_ADD && event != nullptr) {
        auto shared = *event;
        shared.events &= ~static_cast<std::uint32_t>(EPOLLEXCLUSIVE); // not for an epoll in an epoll
        result = real::epoll_ctl()(epoll, operation, descriptor, &shared);
    } else {
        result = real::epoll_ctl()(epoll, operation, descriptor, event);
    }
    if (result == 0)
        socket_table::note_registration(*state, epoll, operation, descriptor, event);
    return result;
}

} // extern "C"
