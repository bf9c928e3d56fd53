// SPDX-License-Identifier: MIT
// Picks the kernel modules that the images need out of a kernel package.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

namespace xvsock::testbed {

/// The one kernel release in a root. Throws failure when there is none or more than one.
std::string kernel_release(const std::filesystem::path& root);

/// The bzImage of that release.
std::filesystem::path kernel_file(const std::filesystem::path& root, const std::string& release);

/// Writes an archive of the named modules and of all that they depend on, with their indexes. Throws failure
/// for a module that the kernel does not have.
boost::asio::awaitable<void> select_modules(std::filesystem::path root, std::string release,
                                            std::vector<std::string> names, std::filesystem::path archive);

} // namespace xvsock::testbed
