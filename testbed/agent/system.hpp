// SPDX-License-Identifier: MIT
// What an init does, by system calls: starting processes is slow in a paravirtualised guest under emulation.
#pragma once

#include <string>
#include <vector>

namespace xvsock::testbed {

/// Mounts /proc, /sys, /dev and what goes below them, and attaches the standard files to the console.
void mount_all();

/// Loads a kernel module and what it needs, by modules.dep; no error when it is there already. Throws
/// std::system_error or std::runtime_error.
void load_kernel_module(const std::string& name);
/// Loads one file.
void load_module_file(const std::string& file, const std::string& options = {});

/// Mounts Xen's file system, after its module is loaded.
void mount_xenfs();

/// The value of a word "key=value" on the kernel's command line, or an empty string.
std::string boot_parameter(const std::string& key);

/// Sets the interface up, with an address in 10.77.0.0/24 when one is given. Waits up to 10 s for it to
/// appear.
void set_up_interface(const std::string& name, const std::string& address = "");
/// Makes a bridge.
void add_bridge(const std::string& name);
/// Makes an interface a port of a bridge.
void add_to_bridge(const std::string& bridge, const std::string& interface);

/// Runs `role` in a child and reaps processes until that ends; then powers off. For process 1.
[[noreturn]] void be_init(int (*role)());
/// For the role: process 1 becomes systemd from now on, and the child powers off when its role ends.
void let_systemd_be_init();

} // namespace xvsock::testbed
