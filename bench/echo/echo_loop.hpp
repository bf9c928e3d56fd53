// SPDX-License-Identifier: MIT
/// The same echo, written twice: with plain system calls, and with the Asio layer.
#pragma once

#include <cstddef>
#include <cstdint>

namespace xvsock::bench {

inline constexpr std::size_t message_size = 64;
inline constexpr std::size_t buffer_size = 4096; ///< of a read: larger than what comes, so that one is enough

struct echo_load {
    std::uint32_t cid = 0;
    std::uint32_t port = 0;
    unsigned connections = 1; ///< all open at the same time, each with a message on the way
    unsigned rounds = 1;      ///< round trips of each
};

/// A server until the process ends; throws std::system_error.
void serve_plain(std::uint32_t port, unsigned threads);
void serve_layer(std::uint32_t port, unsigned threads);

/// Nanoseconds from the first message, when all are connected, to the last answer; throws std::exception.
std::int64_t run_plain(const echo_load& load);
std::int64_t run_layer(const echo_load& load);

/// Likewise with blocking calls, on one connection.
std::int64_t run_blocking_plain(const echo_load& load);
std::int64_t run_blocking_layer(const echo_load& load);

} // namespace xvsock::bench
