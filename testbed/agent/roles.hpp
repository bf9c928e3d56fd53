// SPDX-License-Identifier: MIT
// What the agent does when init starts it in a domain.
#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>

#include "common/child_process.hpp"

namespace xvsock::testbed {

/// In dom0: creates the guests, links them, runs the scripts, collects results. Returns when all is done.
boost::asio::awaitable<void> dom0_role();

/// In a guest: loads the module, runs the script when dom0 says so, delivers the results. Does not return.
boost::asio::awaitable<void> guest_role(std::string name);

/// tar of a script's log and results.
command tar_command(int stdout_fd);

} // namespace xvsock::testbed
