// SPDX-License-Identifier: MIT
// Xen with Argo, which Debian's hypervisors are built without: made from Debian's source package.
#pragma once

#include <filesystem>

#include <boost/asio/awaitable.hpp>

#include "host/image_cache.hpp"
#include "host/progress.hpp"

namespace xvsock::testbed {

/// scenario.json's "hypervisor".
inline constexpr const char* suite_hypervisor = "suite";
inline constexpr const char* argo_hypervisor = "argo";

/// What Xen's command line needs for it.
inline constexpr const char* argo_xen_args = "argo=1";

/// The hypervisor, a 32-bit ELF for QEMU's multiboot loader; from the cache, or built in about three minutes.
/// Throws a failure that says so when the source cannot be had.
boost::asio::awaitable<std::filesystem::path> obtain_argo_xen(image_cache& cache, const progress& tell);

/// The versions in what `apt-cache showsrc` prints, the newest first.
std::vector<std::string> source_versions(std::string_view records);

} // namespace xvsock::testbed
