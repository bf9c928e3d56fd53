// SPDX-License-Identifier: MIT
// Builds xen_vsock.ko for a suite's kernel, with that suite's own compiler and headers.
#pragma once

#include <filesystem>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "host/progress.hpp"
#include "host/scenario.hpp"

namespace xvsock::testbed {

struct module_options {
    std::string suite = "bookworm";    ///< an image suite, or "bookworm-backports"
    std::string kernel = suite_kernel; ///< or debug_kernel, whatever the suite
    std::filesystem::path source;      ///< the module's folder; the ring's headers are in ../vchan
    std::filesystem::path out;         ///< gets KERNEL-RELEASE/xen_vsock.ko and build.log
    std::filesystem::path cache;
    bool sparse = false;  ///< check with sparse, too; its complaints are warnings
    bool refresh = false; ///< make the build root anew
};

/// The suites that a module can be built for.
bool is_module_suite(const std::string& suite);
std::string module_suite_names();

/// Builds it unless OUT holds one of the same sources for the same kernel. Returns its path. Throws failure
/// when the build fails or the compiler warns; an older module is removed then.
boost::asio::awaitable<std::filesystem::path> build_module(module_options options, progress tell);

} // namespace xvsock::testbed
