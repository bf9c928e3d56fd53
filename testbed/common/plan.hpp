// SPDX-License-Identifier: MIT
// What the agents inside have to do: written by the testbed as /testbed/plan.json into every image.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <boost/json/value.hpp>

namespace xvsock::testbed {

/// One unprivileged guest.
struct guest_plan {
    std::string name;
    int vcpus = 1;
    int memory = 256; ///< MiB
    bool has_script = false;
    bool may_die = false;
    bool systemd = false; ///< process 1 becomes systemd; the agent goes on beside it
    std::string kernel_args;
    std::vector<std::string> extra_config; ///< lines of xl.cfg(5)

    bool operator==(const guest_plan&) const = default;
};

/// The whole run.
struct run_plan {
    std::string mode = "wall";       ///< "virtual" or "wall"
    std::string accelerator = "tcg"; ///< "tcg" or "kvm"
    bool module = true;              ///< load xen_vsock.ko everywhere
    std::string module_options;      ///< its parameters
    bool debug_kernel = false;       ///< look for leaks at the end
    int slowness = 1;                ///< time limits are so many times longer
    bool interactive = false;        ///< consoles for a person; ends on the command "stop"
    bool dom0_script = false;
    bool dom0_systemd = false; ///< its process 1 becomes systemd, as a guest's
    std::vector<guest_plan> guests;
    std::vector<std::pair<std::string, std::string>> links;       ///< names of domains that may talk
    std::vector<std::pair<std::string, std::string>> environment; ///< handed to every script
    std::vector<std::string> wait_for; ///< scripts whose end ends the run; empty: all

    bool operator==(const run_plan&) const = default;
};

/// Folder with the plan, the scripts and the module in every image.
inline constexpr const char* plan_folder = "/testbed";
/// Folder whose content comes back to the outside.
inline constexpr const char* results_folder = "/results";
/// dom0's address on the bridge, and the port where guests deliver their results.
inline constexpr const char* dom0_address = "10.77.0.1";
inline constexpr unsigned short collect_port = 7877;

/// Kernel parameters of dom0 and the guests. Emulated processors are slow, the more so on a busy machine:
/// what the watchdogs take for a lockup is given three times the usual time, and self-tests of the crypto
/// code are left out.
inline constexpr const char* kernel_parameters =
    "console=hvc0 printk.time=1 rootfstype=ramfs loglevel=5 cryptomgr.notests watchdog_thresh=30 "
    "rcupdate.rcu_cpu_stall_timeout=60";

/// Address of the guest with this position in the plan, counted from 0.
std::string guest_address(std::size_t index);

boost::json::value to_json(const run_plan& plan);
/// Throws boost::system::system_error or std::exception when the document has another shape.
run_plan plan_from_json(const boost::json::value& document);

} // namespace xvsock::testbed
