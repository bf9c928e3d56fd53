// SPDX-License-Identifier: MIT
/// Percentiles of measured times.
#pragma once

#include <cstdint>
#include <vector>

namespace xvsock::perf {

/// The smallest of the sorted samples that at least `percent` per cent of them do not exceed (the
/// nearest-rank definition: always a value that was measured). `percent` is from 0 to 100; throws
/// std::invalid_argument for an empty list or another percent.
std::int64_t percentile(const std::vector<std::int64_t>& sorted, double percent);

} // namespace xvsock::perf
