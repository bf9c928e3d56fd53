// SPDX-License-Identifier: MIT
#include "perf/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace xvsock::perf {

std::int64_t percentile(const std::vector<std::int64_t>& sorted, double percent) {
    if (sorted.empty())
        throw std::invalid_argument("percentile of no samples");
    if (!(percent >= 0 && percent <= 100))
        throw std::invalid_argument("percentile out of range, from 0 to 100");
    // 99.9 has no exact double: without the small slack, p99.9 of 1000 samples would be the 1000th, not the
    // 999th.
    const double rank = std::ceil(percent / 100 * double(sorted.size()) - 1e-6);
    return sorted[std::size_t(std::max(rank, 1.0)) - 1];
}

} // namespace xvsock::perf
