// SPDX-License-Identifier: MIT
/// xvsockd as a process.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace xvsock::xenstored_test {

class daemon_process {
public:
    /// Starts it with its files in the folder: policy.conf, policy, cids, lock,
    /// status.json.
    explicit daemon_process(const std::string& folder, std::vector<std::string> options = {},
                            std::vector<std::pair<std::string, std::string>> environment = {});
    /// Kills it.
    ~daemon_process();
    daemon_process(const daemon_process&) = delete;
    daemon_process& operator=(const daemon_process&) = delete;

    pid_t id() const { return process_; }
    void send(int signal) const;
    /// Its exit status, or 128 and the signal; without a value when it has not ended after so many seconds.
    std::optional<int> wait(unsigned seconds = 60);
    void kill_now();

    /// All that it has logged.
    std::string output();
    /// Waits until the text has been logged so many times.
    bool says(const std::string& text, unsigned times = 1, unsigned seconds = 60);

private:
    pid_t process_ = -1;
    int output_ = -1;
    std::string text_;
};

/// Waits for a condition.
template <typename Condition> bool comes_true(Condition condition, unsigned seconds = 60) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end)
            return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
}

} // namespace xvsock::xenstored_test
