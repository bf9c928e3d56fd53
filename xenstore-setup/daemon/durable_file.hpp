// SPDX-License-Identifier: MIT
/// Files that are there whole, whenever the program or the machine stops.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace xvsock::peer {

/// The file's content; without a value when there is no such file. Throws std::system_error.
std::optional<std::string> read_file(const std::string& path);

enum class durability {
    program, ///< a reader sees the old file or the new one
    machine, ///< and so does one after a crash of the machine, once the function has returned
};

/// Puts a new file in the place of the old one. Throws std::system_error, and the old file is then still
/// there.
void replace_file(const std::string& path, std::string_view content, durability against);

} // namespace xvsock::peer
