// SPDX-License-Identifier: MIT
/// Compares data paths: `xvsock report`'s table and its checks.
#pragma once

#include "perf/records.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace xvsock::perf {

/// The records as text: for each mode a table with a row for each metric and message size and a column for
/// each path; for each path beside the baseline a column with its ratio to the baseline.
std::string format_comparison(const std::vector<record>& records, const std::string& baseline);

/// A condition on the ratio of two paths' values.
struct ratio_check {
    enum class comparison { at_least, at_most, above, below };

    std::string text; ///< as it was written
    std::string metric;
    std::uint64_t bytes = 0;
    comparison how = comparison::at_least;
    double limit = 0;
};

/// Reads `METRIC@BYTES>=LIMIT`, also with <=, > and <. Throws std::invalid_argument.
ratio_check parse_ratio_check(std::string_view text);

struct check_result {
    bool passed = false;
    std::string message; ///< one line: the condition and the ratio, or what is missing
};

/// Whether value(subject) / value(baseline) meets the condition, in every mode that measured both; not
/// measured in any mode is a failure.
check_result apply_check(const ratio_check& check, const std::vector<record>& records,
                         const std::string& subject, const std::string& baseline);

/// One line: an object with `rows`, each with `mode`, `metric`, `bytes`, `unit`, `values` by path and
/// `ratios` to the baseline by path, and with `checks`, each with `passed` and `message`.
std::string format_comparison_json(const std::vector<record>& records, const std::string& baseline,
                                   const std::vector<check_result>& checks);

} // namespace xvsock::perf
