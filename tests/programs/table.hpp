// SPDX-License-Identifier: MIT
// The table of docs/programs.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace xvsock::programs {

/// Something that programs were made to do.
struct proof {
    std::string system;   ///< where: suite and kernel
    std::string programs; ///< packages with their versions
    std::string way;      ///< what carried their connections
    std::string what;     ///< what was moved
    std::string check;    ///< how the result was judged
    bool passed = false;
};

/// Reads what a scenario has left in its folder: status.json, and results/*/programs.jsonl. Throws
/// std::exception that names the file. A scenario that has failed, or has recorded nothing, is an error.
std::vector<proof> read_proofs(const std::string& folder);

/// Takes a line of programs.jsonl. Throws std::exception.
proof parse_proof(std::string_view line, std::string system);

/// The table in Markdown, a line each, in their order.
std::string markdown(const std::vector<proof>& proofs);

} // namespace xvsock::programs
