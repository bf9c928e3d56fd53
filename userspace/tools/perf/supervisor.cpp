// SPDX-License-Identifier: MIT
#include "perf/supervisor.hpp"

#include <algorithm>
#include <csignal>
#include <system_error>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace xvsock::perf {

namespace {

unique_fd make_event() {
    unique_fd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (event.get() < 0)
        throw std::system_error(errno, std::generic_category(), "eventfd");
    return event;
}

unique_fd take_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP})
        sigaddset(&signals, signal);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    unique_fd fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (fd.get() < 0)
        throw std::system_error(errno, std::generic_category(), "signalfd");
    return fd;
}

void raise(const unique_fd& event) {
    eventfd_write(event.get(), 1);
}

} // namespace

supervisor::supervisor(const options& how)
    : stall_timeout_(how.stall_timeout), stop_event_(make_event()), quit_event_(make_event()),
      signals_(how.handle_signals ? take_signals() : unique_fd{}), thread_([this] { run(); }) {}

supervisor::~supervisor() {
    raise(quit_event_);
    thread_.join();
}

supervisor::watch::watch(supervisor& owner, stream& watched) : owner_(owner), watched_(watched) {
    {
        const std::lock_guard lock(owner.mutex_);
        owner.entries_.push_back({&watched, 0, clock::now()});
    }
    if (owner.stopping())
        watched.interrupt(stream::end_cause::stopped);
}

supervisor::watch::~watch() {
    const std::lock_guard lock(owner_.mutex_);
    std::erase_if(owner_.entries_, [this](const entry& one) { return one.watched == &watched_; });
}

void supervisor::request_stop() {
    stopping_.store(true);
    raise(stop_event_);
    const std::lock_guard lock(mutex_);
    for (const entry& one : entries_)
        one.watched->interrupt(stream::end_cause::stopped);
}

void supervisor::interrupt_stalled() {
    const auto now = clock::now();
    const std::lock_guard lock(mutex_);
    for (entry& one : entries_) {
        const std::uint64_t moved = one.watched->sent() + one.watched->received();
        if (moved != one.moved) {
            one.moved = moved;
            one.moved_at = now;
        } else if (now - one.moved_at >= stall_timeout_) {
            one.watched->interrupt(stream::end_cause::stalled);
        }
    }
}

void supervisor::run() {
    // Few enough wake-ups not to disturb what is measured, enough to notice a stall within an eighth of the
    // limit.
    const auto interval = std::chrono::duration_cast<std::chrono::milliseconds>(stall_timeout_ / 8);
    const int poll_timeout = int(std::clamp<std::int64_t>(interval.count(), 10, 10000));
    for (;;) {
        pollfd ready[] = {{.fd = quit_event_.get(), .events = POLLIN, .revents = 0},
                          {.fd = signals_.get(), .events = POLLIN, .revents = 0}};
        poll(ready, 2, poll_timeout);
        if (ready[0].revents != 0)
            return;
        signalfd_siginfo info;
        if (ready[1].revents != 0 && read(signals_.get(), &info, sizeof info) == sizeof info) {
            if (stopping())
                _exit(128 + int(info.ssi_signo));
            request_stop();
        }
        interrupt_stalled();
    }
}

} // namespace xvsock::perf
