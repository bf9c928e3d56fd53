// SPDX-License-Identifier: MIT
#include "xenstore/call_guard.hpp"

#include <cerrno>

namespace xvsock::xenstore {

call_guard::call_guard(std::chrono::milliseconds limit, timeout_handler handler)
    : limit_(limit), handler_(std::move(handler)), thread_([this] { watch(); }) {}

call_guard::~call_guard() {
    {
        const std::lock_guard lock(mutex_);
        quit_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

call_guard::armed::armed(call_guard& owner, std::string operation) : owner_(owner) {
    bool idle = false;
    {
        const std::lock_guard lock(owner_.mutex_);
        owner_.operation_ = std::move(operation);
        owner_.deadline_ = clock::now() + owner_.limit_;
        idle = owner_.idle_;
    }
    // Otherwise it wakes at an earlier deadline by itself; to wake it at each call would take longer than the
    // call.
    if (idle)
        owner_.changed_.notify_one();
}

call_guard::armed::~armed() {
    const int call_error = errno; // the caller's to read, whatever locking does to it
    {
        const std::lock_guard lock(owner_.mutex_);
        owner_.deadline_.reset();
    }
    errno = call_error;
    // No notification: the watching thread wakes at the old deadline and finds that there is none.
}

void call_guard::watch() {
    std::unique_lock lock(mutex_);
    while (!quit_) {
        if (!deadline_) {
            idle_ = true;
            changed_.wait(lock);
            idle_ = false;
        } else if (clock::now() < *deadline_) {
            // A copy: the deadline may be replaced while the lock is released.
            const auto until = *deadline_;
            changed_.wait_until(lock, until);
        } else {
            deadline_.reset();
            const std::string operation = operation_;
            lock.unlock();
            handler_(operation);
            lock.lock();
        }
    }
}

} // namespace xvsock::xenstore
