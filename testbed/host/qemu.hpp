// SPDX-License-Identifier: MIT
// The QEMU machine that Xen boots on.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

namespace xvsock::testbed {

/// What one boot needs to be told.
struct machine {
    std::string accelerator = "tcg"; ///< "tcg" or "kvm"
    bool virtual_time = false;
    int cpus = 2;
    int memory = 2048; ///< MiB
    std::filesystem::path xen;
    std::string xen_args;
    std::filesystem::path kernel;
    std::string kernel_args;
    std::filesystem::path initramfs;
    int serial_fd = -1;                 ///< a connected socket that QEMU inherits: Xen's and dom0's console
    int channel_fd = -1;                ///< likewise: the virtio-serial port of the dom0 agent
    std::filesystem::path monitor = {}; ///< where QEMU listens for QMP; empty: nowhere
};

/// QEMU's argument vector.
std::vector<std::string> qemu_command(const machine& what);

struct accelerator_choice {
    std::string name;   ///< "kvm" or "tcg"
    std::string reason; ///< one line
};

/// KVM where Xen really runs on /dev/kvm: that it can be opened says too little, for it may lack what Xen
/// needs at its start. Boots bare Xen to see; the answer is kept in the cache folder until the machine or
/// QEMU changes.
boost::asio::awaitable<accelerator_choice> probe_accelerator(std::filesystem::path xen,
                                                             std::filesystem::path cache);

} // namespace xvsock::testbed
