// SPDX-License-Identifier: MIT
/// Runs a part: the testbed with its scenario, whose lines are passed on with the time that is left.
#pragma once

#include "part.hpp"

#include <functional>

#include <boost/asio/awaitable.hpp>

namespace xvsock::bench {

struct run_folders {
    std::filesystem::path artifacts, cache, raw;
};

struct run_outcome {
    int status = 0;        ///< the testbed's exit status
    std::string last_line; ///< of what it said, which is why it failed
};

/// `line` gets each line of output. When the coroutine is cancelled, all that it has started ends.
boost::asio::awaitable<run_outcome> run_part(part one, mode which, run_folders folders,
                                             std::function<void(const std::string&)> line);

} // namespace xvsock::bench
