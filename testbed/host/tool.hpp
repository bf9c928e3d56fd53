// SPDX-License-Identifier: MIT
// Runs one of the machine's tools, its output in memory or in a log file.
#pragma once

#include <filesystem>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "common/child_process.hpp"

namespace xvsock::testbed {

struct captured {
    int status = 0; ///< as waitpid(2) gives it
    std::string output;
};

/// Runs a command and returns its stdout. Throws failure(exit_environment) when the tool is missing.
boost::asio::awaitable<captured> capture(command what);

/// Runs a command with stdout and stderr appended to a log. Throws failure(exit_environment) that says
/// `purpose`, the likely cause (full disk, no network, or the log's last lines) and the log's name.
boost::asio::awaitable<void> run_logged(command what, std::filesystem::path log, std::string purpose);

/// Throws failure(exit_environment) that names the package to install when a program is missing.
void require_program(const std::string& name, const std::string& package);

/// A file's content. Throws failure.
std::string read_file(const std::filesystem::path& file);

/// Writes a file under a temporary name and renames it. Throws failure, and leaves the old file then.
void write_file(const std::filesystem::path& file, std::string_view content);

} // namespace xvsock::testbed
