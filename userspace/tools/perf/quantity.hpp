// SPDX-License-Identifier: MIT
/// Numbers as people write them on a command line: sizes in bytes, lists of sizes, times.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace xvsock::perf {

/// Largest message that a test may use. It bounds what a client can make a server allocate.
inline constexpr std::uint64_t max_message_size = 64 << 20;

/// Reads a whole decimal number that is not negative.
/// Throws std::invalid_argument that names `what` when the text is anything else or above `max`.
std::uint64_t parse_number(std::string_view text, std::string_view what, std::uint64_t max = UINT64_MAX);

/// Reads a size in bytes, optionally with a binary suffix K, M or G (KiB, MiB, GiB).
/// Throws std::invalid_argument that says what is wrong.
std::uint64_t parse_size(std::string_view text);

/// Reads a comma-separated list of message sizes, each from 1 byte to max_message_size.
/// Throws std::invalid_argument that names the offending element.
std::vector<std::uint32_t> parse_message_sizes(std::string_view text);

/// Reads a time in seconds, fractions allowed, from 1 ms to a day.
/// Throws std::invalid_argument that names `what`.
std::chrono::nanoseconds parse_seconds(std::string_view text, std::string_view what);

/// A size as parse_size() reads it, with the largest suffix that divides it: 64K, 1M, 1500.
std::string format_size(std::uint64_t bytes);

} // namespace xvsock::perf
