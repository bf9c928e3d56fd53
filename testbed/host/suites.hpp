// SPDX-License-Identifier: MIT
// Debian suites that images and modules are made from, and where their packages come from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>

namespace xvsock::testbed {

/// What an image of a suite is made of. For "sid" only the kernel is sid's: its tools change too often.
struct image_suite {
    std::string name;
    std::string userland; ///< suite of dom0's and the guests' programs
    std::string kernel;   ///< suite of the kernel
    std::string xen;      ///< version in the names of the Xen packages
};

bool is_image_suite(std::string_view name);
/// Throws failure(exit_usage) for an unknown name.
const image_suite& image_suite_named(std::string_view name);
/// "bookworm, trixie, sid"
std::string image_suite_names();

/// The mirrors that this machine's own apt uses.
struct mirrors {
    std::string main;
    std::string security;
};

/// Picks the mirrors out of lines "SITE RELEASE COMPONENT", as apt-get indextargets prints them. Throws
/// failure when there is no Debian archive among them. Without a security archive its usual place beside the
/// main one is taken.
mirrors parse_mirrors(std::string_view index_targets);

/// Lines for sources.list of a suite (also "bookworm-backports").
std::string sources_list(const std::string& suite, const mirrors& from);

/// Asks apt-get. Throws failure.
boost::asio::awaitable<mirrors> host_mirrors();

/// What of this machine's apt configuration concerns how it reaches those archives: proxies, and whether an
/// old index will do. From the output of `apt-config dump`, as lines for an apt.conf.
std::vector<std::string> inherited_apt_options(std::string_view dump);
boost::asio::awaitable<std::vector<std::string>> host_apt_options();

} // namespace xvsock::testbed
