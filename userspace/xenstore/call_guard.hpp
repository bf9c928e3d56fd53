// SPDX-License-Identifier: MIT
/// A time limit for calls that cannot be interrupted.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace xvsock::xenstore {

/// libxenstore waits for an answer for ever and retries when a signal comes, so a hung xenstored hangs its
/// clients. A call_guard watches such calls from a thread of its own; what it does when the time is over is
/// its owner's decision, usually to say so and to end the process.
class call_guard {
public:
    /// Takes what the late call was doing. Runs in the guard's thread.
    using timeout_handler = std::function<void(const std::string& operation)>;

    call_guard(std::chrono::milliseconds limit, timeout_handler handler);
    ~call_guard();
    call_guard(const call_guard&) = delete;
    call_guard& operator=(const call_guard&) = delete;

    /// Runs `call` under the time limit and returns its result. Calls do not nest, and one thread makes them.
    template <typename Call> auto run(std::string operation, Call&& call) {
        const armed guard(*this, std::move(operation));
        return call();
    }

private:
    using clock = std::chrono::steady_clock;

    class armed {
    public:
        armed(call_guard& owner, std::string operation);
        ~armed();
        armed(const armed&) = delete;
        armed& operator=(const armed&) = delete;

    private:
        call_guard& owner_;
    };

    void watch();

    const std::chrono::milliseconds limit_;
    const timeout_handler handler_;
    std::mutex mutex_; // protects all below
    std::condition_variable changed_;
    std::optional<clock::time_point> deadline_;
    std::string operation_;
    bool idle_ = false; ///< the watching thread waits for the first deadline
    bool quit_ = false;
    std::thread thread_;
};

} // namespace xvsock::xenstore
