// SPDX-License-Identifier: MIT
/// Event channels and grants inside one process, behind the functions of libxenevtchn and libxengnttab that
/// libxenvchan uses: what a test links instead of these libraries.
#pragma once

#include <cstddef>

namespace xvsock::fake_xen {

/// errno of what fails, or 0.
struct failures {
    int open_events = 0;
    int open_grants = 0;
    int share = 0;
    int any_domain = 0; ///< of connecting an event channel to any
};
extern failures failing;

/// What is held now.
std::size_t event_channels();
std::size_t grants();

} // namespace xvsock::fake_xen
