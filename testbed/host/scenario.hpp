// SPDX-License-Identifier: MIT
// A scenario directory: scenario.json and the scripts and files beside it.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/plan.hpp"

namespace xvsock::testbed {

/// What the key "kernel" can say.
inline constexpr const char* suite_kernel = "suite";
inline constexpr const char* debug_kernel = "debug";

/// A guest as the scenario describes it.
struct guest_description {
    guest_plan plan;
    std::filesystem::path script; ///< empty: none
};

/// All that scenario.json can say, with its defaults.
struct scenario {
    std::filesystem::path folder;
    std::string suite = "bookworm";
    std::string kernel = suite_kernel;
    double timeout = 300; ///< wall-clock seconds from QEMU's start
    int cpus = 2;
    int dom0_memory = 1024; ///< MiB
    int dom0_vcpus = 1;
    bool dom0_systemd = false;
    std::filesystem::path dom0_script;
    std::vector<std::string> dom0_packages;
    std::vector<std::string> dom0_artifacts; ///< files and folders of the artifacts' for dom0
    std::vector<guest_description> guests;
    std::vector<std::string> packages;
    std::string description;
    std::vector<std::string> programs;       ///< more of the artifacts' programs for the images
    std::vector<std::string> kernel_modules; ///< more than the testbed's own
    bool configured = false;
    std::string hypervisor = "suite"; ///< or "argo"
    bool module = true;
    std::string module_options;
    std::vector<std::pair<std::string, std::string>> links;
    std::vector<std::pair<std::string, std::string>> environment;
    std::vector<std::string> wait_for;
    std::vector<std::string> expect_console; ///< regular expressions
    std::string kernel_args;
    std::string xen_args;
};

/// Reads DIR/scenario.json (none: all defaults) after `settings`, a list of ("key.key", value) that replace
/// what the file says. Throws failure(exit_usage) that names file, key and what would be right.
scenario load_scenario(const std::filesystem::path& folder,
                       const std::vector<std::pair<std::string, std::string>>& settings = {});

/// A scenario without scripts, for consoles.
scenario shell_scenario(const std::vector<std::pair<std::string, std::string>>& settings);

} // namespace xvsock::testbed
