// SPDX-License-Identifier: MIT
/// The server of `xvsock perf`: does what clients ask for, each client in a thread of its own.
#pragma once

#include "perf/stream.hpp"
#include "perf/supervisor.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace xvsock::perf {

struct server_options {
    std::uint64_t sessions = 0; ///< how many to serve before serve() returns; 0 means until it is stopped
    std::uint64_t buffer = 0;   ///< socket buffer in bytes, 0 for the kernel's default
    /// Takes a line for people, without a newline; may be called by several threads at the same time.
    std::function<void(const std::string&)> log;
};

/// What became of serve()'s sessions.
struct server_result {
    std::uint64_t completed = 0;
    std::uint64_t failed = 0; ///< the client died, was no client of ours, or the data differed
};

/// The largest number of clients that are served at the same time; more wait in the backlog.
inline constexpr unsigned max_concurrent_sessions = 64;

/// Blocks until the wanted number of sessions has ended, or `watcher` is told to stop. A session that fails
/// is logged and counted, and the others go on. Throws connection_error when the listening socket fails.
server_result serve(listener& from, supervisor& watcher, const server_options& options);

} // namespace xvsock::perf
