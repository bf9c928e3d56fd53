// SPDX-License-Identifier: MIT
#include "common/text_table.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <stdexcept>

namespace xvsock {

text_table::text_table(std::vector<column> columns) : columns_(std::move(columns)) {}

void text_table::add_row(std::vector<std::string> cells) {
    if (cells.size() > columns_.size())
        throw std::invalid_argument("text_table: more cells than columns");
    cells.resize(columns_.size());
    rows_.push_back(std::move(cells));
}

std::string text_table::to_string() const {
    std::vector<std::size_t> widths;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        std::size_t width = columns_[i].title.size();
        for (const auto& row : rows_)
            width = std::max(width, row[i].size());
        widths.push_back(width);
    }

    std::string text;
    const auto append_line = [&](auto&& cell_of) {
        std::string line;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            const std::string& cell = cell_of(i);
            line += i == 0 ? "" : "  ";
            line += columns_[i].alignment == align::left ? fmt::format("{:<{}}", cell, widths[i])
                                                         : fmt::format("{:>{}}", cell, widths[i]);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + '\n';
    };
    append_line([&](std::size_t i) -> const std::string& { return columns_[i].title; });
    for (const auto& row : rows_)
        append_line([&](std::size_t i) -> const std::string& { return row[i]; });
    return text;
}

} // namespace xvsock
