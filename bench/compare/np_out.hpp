// SPDX-License-Identifier: MIT
/// The np.out files of NetPIPE.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace xvsock::bench {

/// A line of np.out: a message, NetPIPE's own bandwidth, and half a round trip.
struct np_point {
    std::uint64_t bytes = 0;
    double mebibits = 0; ///< 2^20 bits a second
    double seconds = 0;

    /// In 10^6 bits a second, as all other figures here.
    double megabits() const { return mebibits * 1.048576; }
};

/// Reads the text of an np.out. Throws std::runtime_error that names `source` and the line.
std::vector<np_point> parse_np_out(std::string_view text, std::string_view source);

} // namespace xvsock::bench
