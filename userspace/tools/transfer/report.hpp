// SPDX-License-Identifier: MIT
/// What became of a file, in a line for people or programs.
#pragma once

#include "transfer/sender.hpp"

#include <string>

namespace xvsock::transfer {

/// "g1: large: 16777216 bytes in 0.31 s, 51.6 MiB/s, 4194304 of them were there before", or its problem.
std::string format_outcome(const std::string& peer, const outcome& result);

/// A line of JSON.
std::string format_outcome_json(const std::string& peer, const outcome& result);

} // namespace xvsock::transfer
