// SPDX-License-Identifier: MIT
// Drivers, network and daemons that a domain needs before the agent can do its part.
#pragma once

#include <string>

namespace xvsock::testbed {

/// In dom0: drivers, the guests' bridge, xenstored, xenconsoled. Throws std::exception.
void start_dom0_services();

/// In a guest: drivers and its network interface. Throws std::exception.
void start_guest_services(const std::string& name);

/// Loads xen_vsock.ko, with these parameters, and what it needs. Returns an empty string, or why not.
std::string load_xen_vsock(const std::string& options);

/// xl's hotplug script for a guest's network interface, with the action as its argument: on "online" the
/// interface becomes a port of the bridge. Returns an exit status.
int connect_vif(const std::string& action);

} // namespace xvsock::testbed
