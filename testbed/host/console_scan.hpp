// SPDX-License-Identifier: MIT
// Reads kernel consoles for reports that make a run fail: oopses, warnings, lockdep, sanitizers, Xen panics.
#pragma once

#include <cstddef>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

namespace xvsock::testbed {

/// One report, with the lines that follow its first.
struct console_report {
    std::size_t line = 0; ///< in the console's log, counted from 1
    std::vector<std::string> lines;
};

/// Scans one console. Only what a kernel or Xen says is judged, told by the time stamp or by "(XEN)"; what
/// programs print there is not.
class console_scanner {
public:
    /// `expected`: regular expressions of lines that are allowed, beside the built-in ones (see
    /// docs/testbed.md). A WARNING's whole trace is allowed with its line.
    explicit console_scanner(const std::vector<std::string>& expected = {});

    /// Adds a piece of the console's output; lines may be cut anywhere.
    void feed(std::string_view bytes);
    /// Takes what follows the last line's end as a line.
    void finish();

    [[nodiscard]] const std::vector<console_report>& reports() const { return reports_; }
    /// A kernel or Xen has stopped for good: nothing more can be waited for.
    [[nodiscard]] bool halted() const { return halted_; }

    static constexpr std::size_t lines_per_report = 24;

private:
    void take(std::string line);
    [[nodiscard]] bool allowed(const std::string& line) const;

    std::vector<std::regex> allowed_;
    std::string pending_;
    std::size_t line_ = 0;
    bool open_ = false; ///< the last report still takes lines
    bool in_allowed_trace_ = false;
    bool halted_ = false;
    std::vector<console_report> reports_;
};

} // namespace xvsock::testbed
