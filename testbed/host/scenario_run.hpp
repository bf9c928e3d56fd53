// SPDX-License-Identifier: MIT
// One run of a scenario, from images to verdict.
#pragma once

#include <filesystem>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "host/progress.hpp"
#include "host/scenario.hpp"

namespace xvsock::testbed {

/// What the command line decides.
struct run_options {
    bool virtual_time = false;
    std::string accelerator = "auto"; ///< "auto", "kvm" or "tcg"
    bool refresh = false;             ///< rebuild the images
    bool interactive = false;         ///< consoles for a person instead of scripts; no time limit
    bool keep = false;                ///< keep the initramfs
    std::filesystem::path out;        ///< where logs and results go
    std::filesystem::path artifacts;  ///< holds bin/ and modules/
    std::filesystem::path cache;
    std::filesystem::path monitor = {}; ///< where QEMU listens for QMP; empty: nowhere
};

/// Runs it and prints what happens. Returns whether it passed. Throws failure when it cannot be run. When the
/// coroutine is cancelled, everything is stopped and partial files are removed.
boost::asio::awaitable<bool> run_scenario(scenario what, run_options options, progress tell);

} // namespace xvsock::testbed
