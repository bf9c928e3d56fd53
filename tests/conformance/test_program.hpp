// SPDX-License-Identifier: MIT
// One side of a test: a program whose output is collected while it runs.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "common/child_process.hpp"

namespace xvsock::conformance {

class test_program : public std::enable_shared_from_this<test_program> {
public:
    using clock = std::chrono::steady_clock;

    /// Starts it; `changed` is called when it has printed something or ended. Throws std::system_error.
    static std::shared_ptr<test_program> start(const boost::asio::any_io_executor& executor,
                                               std::vector<std::string> argv, std::function<void()> changed);

    /// What came on stdout and stderr so far.
    [[nodiscard]] const std::string& output() const { return output_; }
    /// When the byte at this offset of the output had come.
    [[nodiscard]] clock::time_point arrival(std::size_t offset) const;
    [[nodiscard]] clock::time_point last_output() const { return arrivals_.back().second; }
    [[nodiscard]] bool ended() const { return ended_; }
    [[nodiscard]] bool succeeded() const { return ended_ && status_ == 0; }
    [[nodiscard]] std::string end() const { return testbed::describe_status(status_); }
    void kill() { child_.signal_group(SIGKILL); }

private:
    test_program(const boost::asio::any_io_executor& executor, std::vector<std::string> argv,
                 std::function<void()> changed, std::pair<int, int> pipe);
    boost::asio::awaitable<void> collect();

    std::function<void()> changed_;
    boost::asio::posix::stream_descriptor source_;
    testbed::child_process child_;
    std::string output_;
    std::vector<std::pair<std::size_t, clock::time_point>> arrivals_; ///< size of the output, and when
    bool ended_ = false;
    int status_ = 0;
};

/// Whether a program of this domain listens on a TCP port.
bool tcp_port_listens(unsigned short port);

} // namespace xvsock::conformance
