// SPDX-License-Identifier: MIT
/// The report of a run, in Markdown: tables first, then the plots.
#pragma once

#include "plot.hpp"
#include "results.hpp"

#include <string>
#include <vector>

namespace xvsock::bench {

/// `notes` say what is missing, and why.
std::string report(const results& all, std::string_view mode, bool quick,
                   const std::vector<std::string>& notes, const std::vector<plot>& plots);

/// A figure with as many digits as it deserves: 0.113, 10.8, 384, 20411.
std::string figure(double value);

} // namespace xvsock::bench
