// SPDX-License-Identifier: MIT
// Runs one of dom0's own tools.
#pragma once

#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

namespace xvsock::testbed {

struct tool_result {
    int status = 0;     ///< as waitpid(2) gives it
    std::string output; ///< stdout and stderr, at most 64 KiB
};

/// Runs it to its end. Throws std::system_error when it cannot be started.
boost::asio::awaitable<tool_result> run_tool(std::vector<std::string> argv);

} // namespace xvsock::testbed
