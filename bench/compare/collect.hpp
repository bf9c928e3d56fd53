// SPDX-License-Identifier: MIT
/// From the raw files of the parts to results.
#pragma once

#include "part.hpp"
#include "results.hpp"

#include <filesystem>

namespace xvsock::bench {

/// Everything that the finished parts below `raw` have measured. Throws std::runtime_error that names a file
/// that is not what it should be.
results collect(const std::filesystem::path& raw, const std::vector<part>& finished, mode which);

/// What a path costs: the differences of all counters around one test. `folder` is a part's results, with a
/// folder for each domain; `test` is KIND-BYTES-MESSAGES. Empty when the part has no such test.
std::vector<result> cost_of(const std::filesystem::path& folder, const std::string& path,
                            const std::string& test, mode which);

/// A text of /proc/interrupts: how many interrupts had a name that starts with one of these words.
std::uint64_t count_interrupts(std::string_view text, const std::vector<std::string>& words);

} // namespace xvsock::bench
