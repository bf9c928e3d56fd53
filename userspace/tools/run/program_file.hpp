// SPDX-License-Identifier: MIT
/// Whether a library can be loaded into a program at all.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace xvsock::run {

/// Where execvp() would find it; nothing when it is nowhere.
std::optional<std::filesystem::path> find_program(const std::string& name, const std::string& search_path);

/// Why the program would not take the library, for a person; empty when it would. Looks at the interpreter of
/// a script. What cannot be read is not judged.
std::string objection_to(const std::filesystem::path& program);

} // namespace xvsock::run
