// SPDX-License-Identifier: MIT
// A child process in a process group of its own that never outlives this program.
#pragma once

#include <csignal>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace xvsock::testbed {

/// A list of words. For use in co_await expressions, where g++ 12 does not take a braced list.
template <typename... Words> std::vector<std::string> word_list(const Words&... words) {
    std::vector<std::string> list;
    (list.emplace_back(words), ...);
    return list;
}

/// What to run, and with which files and environment.
struct command {
    std::vector<std::string> argv;
    std::vector<std::pair<std::string, std::string>> environment = {}; ///< added to the caller's
    int stdin_fd = -1;                                                 ///< -1: /dev/null, also below
    int stdout_fd = -1;
    int stderr_fd = -1;
    std::string directory = {};     ///< working directory; empty: the caller's
    std::string root = {};          ///< chroot; empty: none
    int death_signal = SIGKILL;     ///< what the child gets when this program dies, 0 for nothing
    std::vector<int> kept_fds = {}; ///< stay open in the child under their numbers
    bool new_session = false;       ///< a session with the child's stdin as its terminal, if that is one
};

/// A running child. Its destructor kills the whole process group and reaps the child.
class child_process {
public:
    /// Starts it. Throws std::system_error, also when the program cannot be executed.
    child_process(const boost::asio::any_io_executor& executor, const command& what);
    child_process(const child_process&) = delete;
    child_process& operator=(const child_process&) = delete;
    ~child_process();

    /// Waits for the end and returns the status as waitpid(2) gives it. May be called once.
    boost::asio::awaitable<int> wait();

    /// Sends a signal to the process group; nothing happens once the child was reaped.
    void signal_group(int number) const noexcept;

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

private:
    pid_t pid_ = -1;
    bool reaped_ = false;
    boost::asio::posix::stream_descriptor pidfd_;
};

/// "exit status 3" or "killed by signal 9 (Killed)".
std::string describe_status(int wait_status);

/// Full path of a program in $PATH or in the usual system folders; empty when there is none.
std::string find_program(const std::string& name);

} // namespace xvsock::testbed
