// SPDX-License-Identifier: MIT
// The parts that a Xen host is booted from, made of Debian packages.
#pragma once

#include <filesystem>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "host/image_cache.hpp"
#include "host/progress.hpp"
#include "host/scenario.hpp"

namespace xvsock::testbed {

/// Files of a bootable host. The archives are such that Linux takes them one after the other.
struct boot_images {
    std::filesystem::path xen;     ///< the hypervisor, a 32-bit ELF for QEMU's multiboot loader
    std::filesystem::path vmlinux; ///< the kernel, uncompressed, for dom0 and guests
    std::filesystem::path modules; ///< archive of the kernel modules
    std::filesystem::path dom0;    ///< archive of dom0's programs
    std::filesystem::path guest;   ///< archive of the guests' programs, compressed
    std::string kernel_release;    ///< as uname -r says
};

/// Takes all of them from the cache, or makes them; needs root and the mirror only then.
boost::asio::awaitable<boot_images> obtain_images(const scenario& what, image_cache& cache,
                                                  const progress& tell);

/// Where modules for the debug kernel are built.
struct debug_build {
    std::filesystem::path tree;
    std::string release;
};
boost::asio::awaitable<debug_build> debug_kernel_build(image_cache& cache, const progress& tell);

/// The kernel release of a suite's images.
boost::asio::awaitable<std::string> image_kernel_release(std::string suite, image_cache& cache,
                                                         const progress& tell);

} // namespace xvsock::testbed
