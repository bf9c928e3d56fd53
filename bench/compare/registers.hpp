// SPDX-License-Identifier: MIT
/// What QEMU's "info registers -a" says about where the processors are.
#pragma once

#include <cstdint>
#include <string_view>

namespace xvsock::bench {

/// Processors that were found somewhere.
struct places {
    std::uint64_t busy = 0; ///< not halted
    std::uint64_t hypervisor = 0, kernel = 0, user = 0;

    places& operator+=(const places& more);
};

/// Counts each processor in the text: by the address it executes at, because a PV guest's kernel is as
/// unprivileged as its programs.
places read_registers(std::string_view text);

} // namespace xvsock::bench
