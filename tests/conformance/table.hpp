// SPDX-License-Identifier: MIT
// The table of docs/conformance.md.
#pragma once

#include <string>
#include <string_view>
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

/// Puts text between the lines "<!-- conformance KERNEL -->" and "<!-- end of conformance KERNEL -->" of a
/// document. Throws std::invalid_argument when it has no such lines.
std::string replace_region(std::string_view document, const std::string& kernel, const std::string& text);

} // namespace xvsock::conformance
