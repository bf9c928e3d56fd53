// SPDX-License-Identifier: MIT
// Lines that tell what the testbed is doing.
#pragma once

#include <chrono>
#include <string_view>

namespace xvsock::testbed {

/// Prints "[  12.3 s] text" lines; the time counts from the object's creation.
class progress {
public:
    /// One line on stdout, at once.
    void say(std::string_view text) const;
    /// Seconds since the start.
    [[nodiscard]] double seconds() const;

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

} // namespace xvsock::testbed
