// SPDX-License-Identifier: MIT
#include "np_out.hpp"

#include <cmath>
#include <fmt/format.h>
#include <sstream>
#include <stdexcept>
#include <string>

namespace xvsock::bench {

std::vector<np_point> parse_np_out(std::string_view text, std::string_view source) {
    std::vector<np_point> points;
    std::istringstream lines{std::string(text)};
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
        std::istringstream words(line);
        np_point point;
        std::string rest;
        if (!(words >> point.bytes >> point.mebibits >> point.seconds) || words >> rest || point.bytes == 0 ||
            !std::isfinite(point.mebibits) || point.seconds < 0 || point.mebibits < 0)
            throw std::runtime_error(
                fmt::format("{}: line {}: '{}' is not 'BYTES MBPS SECONDS'", source, number, line));
        points.push_back(point);
    }
    return points;
}

} // namespace xvsock::bench
