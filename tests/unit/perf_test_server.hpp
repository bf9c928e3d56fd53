// SPDX-License-Identifier: MIT
/// A server in a thread, for tests.
#pragma once

#include "perf/server.hpp"
#include "perf/supervisor.hpp"

#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

namespace xvsock::perf {

class test_server {
public:
    explicit test_server(const std::string& where,
                         std::chrono::nanoseconds stall_timeout = std::chrono::seconds(20))
        : watcher_({.handle_signals = false, .stall_timeout = stall_timeout}),
          listener_(parse_address(where, address_role::listen)), thread_([this] {
              result_ = serve(listener_, watcher_,
                              {.sessions = 0, .buffer = 0, .log = [this](const std::string& line) {
                                   const std::lock_guard lock(mutex_);
                                   log_.push_back(line);
                               }});
          }) {}

    ~test_server() { stop(); }

    /// What clients connect to.
    address where() const { return parse_address(listener_.name(), address_role::connect); }

    /// Stops the server and waits for it; idle sessions end as dropped.
    server_result stop() {
        watcher_.request_stop();
        if (thread_.joinable())
            thread_.join();
        return result_;
    }

    /// Whether a line of the log contains the text within five seconds.
    bool logs(const std::string& text) {
        for (int i = 0; i < 500; ++i) {
            {
                const std::lock_guard lock(mutex_);
                for (const std::string& line : log_)
                    if (line.find(text) != std::string::npos)
                        return true;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return false;
    }

private:
    supervisor watcher_;
    listener listener_;
    std::mutex mutex_; // protects log_
    std::vector<std::string> log_;
    server_result result_;
    std::thread thread_;
};

/// A name for an AF_UNIX socket that no other test uses.
inline std::string unique_unix_address() {
    static int number = 0;
    return "unix:@xvsock-perf-test-" + std::to_string(getpid()) + "-" + std::to_string(++number);
}

} // namespace xvsock::perf
