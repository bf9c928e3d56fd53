// SPDX-License-Identifier: MIT
#include "socket_table.hpp"

#include "real_calls.hpp"

#include <algorithm>
#include <cerrno>

#include <pthread.h>
#include <sys/syscall.h>

namespace xvsock::preload {

constinit socket_table socket_table::the_one;

void socket_table::begin() {
    if (process_.load(std::memory_order_relaxed) != 0)
        return;
    process_ = ::getpid();
    // A child of fork() goes on with a copy of the table that nobody was changing. Signals are kept out as by
    // table_lock: the C library keeps them out of fork() itself only.
    ::pthread_atfork(
        [] {
            sigset_t all;
            sigset_t before;
            ::sigfillset(&all);
            ::pthread_sigmask(SIG_SETMASK, &all, &before);
            the_one.mutex_.lock();
            the_one.mask_before_fork_ = before;
        },
        [] { the_one.end_fork(); },
        [] {
            the_one.process_ = ::getpid();
            the_one.spawning = 0; // others' threads
            the_one.end_fork();
        });
}

void socket_table::end_fork() {
    const sigset_t before = mask_before_fork_;
    mutex_.unlock();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void socket_table::note(int descriptor) {
    end_ = std::max<int>(end_, descriptor + 1);
}

bool socket_table::knows(int descriptor) const {
    return in_range(descriptor) &&
           std::atomic_ref(states_[descriptor]).load(std::memory_order_acquire) != nullptr &&
           is_of_this_process();
}

state_pointer socket_table::find(int descriptor) const {
    if (!in_range(descriptor))
        return nullptr;
    const auto* const found = std::atomic_ref(states_[descriptor]).load(std::memory_order_acquire);
    return found == nullptr ? nullptr : *found;
}

void socket_table::add(int descriptor, const state_pointer& state) {
    if (!in_range(descriptor))
        return;
    begin();
    drop(descriptor);
    state->descriptors.push_back(descriptor);
    note(descriptor);
    std::atomic_ref(states_[descriptor]).store(new state_pointer(state), std::memory_order_release);
}

void socket_table::drop(int descriptor) {
    if (!in_range(descriptor))
        return;
    const std::unique_ptr<state_pointer> held(
        std::atomic_ref(states_[descriptor]).exchange(nullptr, std::memory_order_acq_rel));
    if (!held)
        return;
    auto& state = **held;
    std::erase(state.descriptors, descriptor);
    std::erase_if(state.registrations, [&](const auto& one) { return one.descriptor == descriptor; });
    if (!state.descriptors.empty())
        return;
    const int error = errno;
    for (auto* const inner : {&state.tcp, &state.vsock})
        if (const int number = inner->exchange(-1); number >= 0) { // before, for who is waiting in accept()
            set_inner(number, false);
            ::syscall(SYS_close, number); // no cancellation point
        }
    errno = error;
}

bool socket_table::is_inner(int descriptor) const {
    return in_range(descriptor) && std::atomic_ref(inner_[descriptor]).load(std::memory_order_relaxed);
}

void socket_table::set_inner(int descriptor, bool is_ours) {
    if (!in_range(descriptor))
        return;
    std::atomic_ref(inner_[descriptor]).store(is_ours, std::memory_order_relaxed);
    note(descriptor);
}

void socket_table::make_room(int descriptor) {
    if (!is_inner(descriptor) || !is_of_this_process())
        return;
    const int error = errno;
    const auto held = lock();
    for (const int known : all())
        for (auto* const inner : {&find(known)->tcp, &find(known)->vsock})
            if (*inner == descriptor) {
                const int moved = real::fcntl()(descriptor, F_DUPFD_CLOEXEC, descriptor + 1);
                set_inner(moved, true);
                // An epoll knows what it has by file and number, and who inherits it asks by the new number.
                auto event = arrivals();
                real::epoll_ctl()(known, EPOLL_CTL_ADD, moved, &event);
                real::epoll_ctl()(known, EPOLL_CTL_DEL, descriptor, nullptr);
                *inner = moved;
            }
    set_inner(descriptor, false);
    errno = error;
}

void socket_table::note_registration(socket_state& state, int epoll, int operation, int descriptor,
                                     const epoll_event* event) {
    const auto is_meant = [&](const auto& one) { return one.epoll == epoll && one.descriptor == descriptor; };
    std::erase_if(state.registrations, is_meant);
    if (operation == EPOLL_CTL_DEL || event == nullptr)
        return;
    state.registrations.push_back({epoll, descriptor, *event});
    if (!in_range(epoll))
        return;
    std::atomic_ref(instance().epolls_[epoll]).store(true, std::memory_order_relaxed);
    instance().note(epoll);
}

void socket_table::forget_epoll(int descriptor) {
    if (!in_range(descriptor) || !std::atomic_ref(epolls_[descriptor]).load(std::memory_order_relaxed) ||
        !is_of_this_process())
        return;
    const auto held = lock();
    std::atomic_ref(epolls_[descriptor]).store(false, std::memory_order_relaxed);
    for (const int known : all())
        std::erase_if(find(known)->registrations, [&](const auto& one) { return one.epoll == descriptor; });
}

std::vector<int> socket_table::all() const {
    std::vector<int> known;
    for (int descriptor = 0; descriptor < end_; ++descriptor)
        if (std::atomic_ref(states_[descriptor]).load(std::memory_order_relaxed) != nullptr)
            known.push_back(descriptor);
    return known;
}

} // namespace xvsock::preload
