// SPDX-License-Identifier: MIT
/// What the figures were taken on and with, as far as this machine knows it.
#pragma once

#include "results.hpp"

#include <filesystem>

namespace xvsock::bench {

/// Adds the processor, and the versions of QEMU and of xvsock. Never a name or a path of the machine.
void add_machine(circumstances& where, const std::filesystem::path& source);

} // namespace xvsock::bench
