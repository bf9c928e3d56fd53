// SPDX-License-Identifier: MIT
// Builds the kernel of `--kernel debug` from Debian's linux-source and testbed/debug-kernel/.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "host/image_cache.hpp"
#include "host/progress.hpp"

namespace xvsock::testbed {

/// What runs under that kernel takes so many times longer, and has its time limits extended by it.
inline constexpr int debug_kernel_slowness = 5;
/// MiB that a domain needs under it at least: kmemleak, page poisoning and lockdep remember a lot.
inline constexpr int debug_guest_memory = 1024;
inline constexpr int debug_dom0_memory = 2048;

/// The lines of a fragment (CONFIG_X=y) that a kernel's .config does not have.
std::vector<std::string> lost_options(std::string_view fragment, std::string_view config);

/// The folder with vmlinux, modules.cpio, release, and tree/ to build modules in. Made when it is not in the
/// cache, which takes a while; says so. Throws failure that names the package when something is missing.
boost::asio::awaitable<std::filesystem::path> obtain_debug_kernel(std::vector<std::string> modules,
                                                                  image_cache& cache, const progress& tell);

} // namespace xvsock::testbed
