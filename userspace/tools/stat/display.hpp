// SPDX-License-Identifier: MIT
/// Counters as tables for people, and as JSON.
#pragma once

#include "stat/counters.hpp"

#include <string>

namespace xvsock::counters {

/// Tables of the peers with their total, and of the connections if they are wanted.
std::string format_tables(const snapshot& now, bool connections);

/// Tables of what each counter counted a second since an older snapshot.
std::string format_rates(const snapshot& now, const snapshot& older, bool connections);

/// One line: an object with `peers`, `connections` and `total`, in which every field has its key. With an
/// older snapshot it has `seconds` between the two, and each of its objects that is in both has `rates`.
std::string format_json(const snapshot& now, const snapshot* older = nullptr);

} // namespace xvsock::counters
