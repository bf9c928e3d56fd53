// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace xvsock::bench {

/// Prints what the ring has to reach natively and what it does reach, from Google Benchmark's JSON. Whether
/// it reaches all of it.
bool check(const std::string& file);

} // namespace xvsock::bench
