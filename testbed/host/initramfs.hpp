// SPDX-License-Identifier: MIT
// Puts one run's initramfs together: cached archives, then what is this run's own.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/plan.hpp"
#include "host/images.hpp"
#include "host/scenario.hpp"

namespace xvsock::testbed {

/// What a run adds to the images.
struct overlay {
    const scenario& what;
    run_plan plan;
    std::vector<std::filesystem::path> programs;  ///< go to /usr/local/bin
    std::filesystem::path module;                 ///< xen_vsock.ko; empty: none
    std::vector<std::filesystem::path> artifacts; ///< go to dom0's /testbed/artifacts
};

/// Writes FOLDER/initramfs for dom0 (the guests' is inside it) and returns its path.
std::filesystem::path compose_initramfs(const boot_images& images, const overlay& extra,
                                        const std::filesystem::path& folder);

} // namespace xvsock::testbed
