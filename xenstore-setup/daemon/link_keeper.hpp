// SPDX-License-Identifier: MIT
/// Brings one link to what is planned.
#pragma once

#include "plan.hpp"

namespace xvsock::peer {

enum class outcome {
    nothing,  ///< as planned already
    made,     ///< there was none
    changed,  ///< its settings were mended
    removed,  ///< as planned
    outdated, ///< removed: it was of other domains or CIDs, or damaged; another is to be made, later
    by_hand,  ///< made by hand: left alone
    plain,    ///< there is a plain link, which only xvsock-peer makes: left alone
    gone,     ///< nothing was made: a domain is not there any more
};

struct kept {
    outcome result = outcome::nothing;
    std::vector<std::string> problems; ///< what was mended
};

/// To be run in a transaction, or, for a link that is there, without one and with remove_ghosts() afterwards.
/// One that is to be made fails with EAGAIN without a transaction. Without `planned` there should be no link.
/// Links made by hand stay as they are while both domains are there, and plain ones in any case.
kept keep_link(const xenstore::view& store, const link_ends& ends, const planned_link* planned, how);

} // namespace xvsock::peer
