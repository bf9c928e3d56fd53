// SPDX-License-Identifier: MIT
#include "host/progress.hpp"

#include <cstdio>

#include <fmt/format.h>

namespace xvsock::testbed {

double progress::seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void progress::say(std::string_view text) const {
    fmt::print("[{:6.1f} s] {}\n", seconds(), text);
    std::fflush(stdout);
}

} // namespace xvsock::testbed
