// SPDX-License-Identifier: MIT
/// Plots by gnuplot: each is a script and its data, which a person can change and run again, and an SVG and a
/// PNG.
#pragma once

#include "results.hpp"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace xvsock::bench {

/// One line or one row of bars.
struct series {
    std::string title;
    std::vector<std::pair<double, double>> points;
    bool dashed = false; ///< a limit, not a path
};

struct plot {
    std::string name, title, x_label, y_label;
    std::vector<series> lines;
    bool log_x = true, log_y = true;
    bool bars = false; ///< bars beside each other, with `names` below them
    std::vector<std::string> names = {};
};

/// Those for which there are results. `mode` goes into the titles.
std::vector<plot> plots_of(const results& all, std::string_view mode);

/// NAME.dat: a block for each series. NAME.gp: what draws it.
std::string plot_data(const plot& one);
std::string plot_script(const plot& one);

/// Writes and draws it. Throws std::runtime_error when gnuplot fails.
void draw(const plot& one, const std::filesystem::path& folder);

} // namespace xvsock::bench
