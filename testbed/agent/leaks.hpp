// SPDX-License-Identifier: MIT
// Under the debug kernel: what kmemleak finds in this domain.
#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>

namespace xvsock::testbed {

/// Mounts debugfs, has the kernel look for leaks and leaves its report in the results. Returns what is wrong:
/// leaks of vsock code, the first one whole, or that the kernel cannot look; empty when all is well.
boost::asio::awaitable<std::string> find_leaks();

} // namespace xvsock::testbed
