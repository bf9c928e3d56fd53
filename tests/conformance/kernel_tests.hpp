// SPDX-License-Identifier: MIT
// Builds the kernel's own vsock tests (tools/testing/vsock) out of Debian's kernel source packages.
#pragma once

#include <array>
#include <filesystem>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "host/image_cache.hpp"
#include "host/progress.hpp"

namespace xvsock::conformance {

/// A package linux-source-RELEASE and the Debian suite that has it.
struct kernel_source {
    const char* release;
    const char* suite;
};

inline constexpr std::array<kernel_source, 3> kernel_sources{{
    {"6.1", "bookworm"},
    {"6.12", "bookworm-backports"},
    {"7.2", "sid"},
}};

/// The tests of one release, built: a folder with bin/vsock_test, bin/vsock_diag_test and, where the release
/// has it, bin/vsock_perf; and a file "version" with the package's version. Takes it from the cache, or
/// fetches the package (unless its tarball is in /usr/src) and compiles; no source is kept. Throws
/// testbed::failure.
boost::asio::awaitable<std::filesystem::path>
obtain_kernel_tests(kernel_source source, testbed::image_cache& cache, const testbed::progress& tell);

} // namespace xvsock::conformance
