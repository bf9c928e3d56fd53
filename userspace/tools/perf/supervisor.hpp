// SPDX-License-Identifier: MIT
/// One thread that takes signals and watches that data keeps moving, so that the measured loops need neither
/// timers nor flags: what has to end is shut down, which makes the blocking call in it return.
#pragma once

#include "perf/stream.hpp"

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

namespace xvsock::perf {

class supervisor {
public:
    struct options {
        /// Take SIGINT, SIGTERM and SIGHUP as a request to stop; a second one ends the process at once. They
        /// are blocked in the calling thread and in all threads that it starts afterwards.
        bool handle_signals = false;
        /// A watched stream in which nothing moves for this long is interrupted.
        std::chrono::nanoseconds stall_timeout = std::chrono::seconds(60);
    };

    /// Starts the thread. Throws std::system_error.
    explicit supervisor(const options& how);
    ~supervisor();
    supervisor(const supervisor&) = delete;
    supervisor& operator=(const supervisor&) = delete;

    /// Watches a stream for as long as the object lives. The stream must outlive it.
    class watch {
    public:
        watch(supervisor& owner, stream& watched);
        ~watch();
        watch(const watch&) = delete;
        watch& operator=(const watch&) = delete;

    private:
        supervisor& owner_;
        stream& watched_;
    };

    /// Interrupts all watched streams, and those that are watched later.
    void request_stop();
    bool stopping() const { return stopping_.load(); }

    /// Readable from the time that a stop was requested.
    int stop_fd() const { return stop_event_.get(); }

private:
    using clock = std::chrono::steady_clock;

    struct entry {
        stream* watched;
        std::uint64_t moved;
        clock::time_point moved_at;
    };

    void run();
    void interrupt_stalled();

    const std::chrono::nanoseconds stall_timeout_;
    unique_fd stop_event_;
    unique_fd quit_event_;
    unique_fd signals_;
    std::atomic<bool> stopping_{false};
    std::mutex mutex_; // protects entries_
    std::vector<entry> entries_;
    std::thread thread_;
};

} // namespace xvsock::perf
