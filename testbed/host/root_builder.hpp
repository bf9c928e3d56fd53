// SPDX-License-Identifier: MIT
// Makes root folders out of Debian packages with mmdebstrap.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

namespace xvsock::testbed {

struct root_description {
    std::string suite;
    std::vector<std::string> packages;
    bool configured =
        false; ///< run maintainer scripts; otherwise packages are only unpacked, in a third of the time
};

/// Fills the folder. The log goes to LOGS/<name of the entry>.log. Throws failure.
boost::asio::awaitable<void> build_root(root_description what, std::filesystem::path root,
                                        std::filesystem::path logs);

/// Runs a program in a root. Throws failure with the log's last lines.
boost::asio::awaitable<void> run_in_root(std::filesystem::path root, std::vector<std::string> argv,
                                         std::filesystem::path log);

} // namespace xvsock::testbed
