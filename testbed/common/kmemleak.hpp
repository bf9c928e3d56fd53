// SPDX-License-Identifier: MIT
// Reads what /sys/kernel/debug/kmemleak says.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace xvsock::testbed {

/// The objects among the reported ones that vsock code has allocated: ours, or vsock.ko's, whose objects live
/// as long as we hold them. An address in the modules' area without a name counts, too: its module is
/// unloaded.
std::vector<std::string> vsock_leaks(std::string_view report);

} // namespace xvsock::testbed
