// SPDX-License-Identifier: MIT
// The table of docs/conformance.md.
#pragma once

#include <string>
#include <vector>

#include "results.hpp"

namespace xvsock::conformance {

/// What a whole run consists of.
struct coverage {
    std::vector<std::string> directions; ///< "CLIENT-SERVER"
    std::vector<std::string> suites;
    std::vector<std::string> programs; ///< that every suite has
};

/// What is missing in the records, one sentence each: a direction in which a test was not run that was run in
/// another one, or a suite or program of which there is nothing.
std::vector<std::string> gaps(const std::vector<test_record>& records, const coverage& wanted);

/// A table in Markdown for each suite: a line a test, a column a direction, and the reasons.
std::string markdown(const std::vector<test_record>& records, const expectations& expected);

} // namespace xvsock::conformance
