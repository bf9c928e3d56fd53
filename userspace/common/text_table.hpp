// SPDX-License-Identifier: MIT
/// A table of text for people: columns as wide as their widest cell.
#pragma once

#include <string>
#include <vector>

namespace xvsock {

class text_table {
public:
    enum class align { left, right };

    struct column {
        std::string title;
        align alignment = align::right;
    };

    explicit text_table(std::vector<column> columns);

    /// Appends a row. Missing cells are shown empty; more cells than columns throw std::invalid_argument.
    void add_row(std::vector<std::string> cells);

    /// The title line and the rows, each ended by a newline.
    std::string to_string() const;

private:
    std::vector<column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

} // namespace xvsock
