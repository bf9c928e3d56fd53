// SPDX-License-Identifier: MIT
/// The links that there should be: what follows from the policy and the domains that run.
#pragma once

#include "identity.hpp"
#include "peer_link.hpp"

#include <map>

namespace xvsock::peer {

struct planned_link {
    link_settings settings;
    /// The UUIDs of both ends: a link of another domain with the same domid is another link.
    std::string backend_uuid, frontend_uuid;
    unsigned line = 0; ///< the first rule in the policy that allows some of it

    bool operator==(const planned_link&) const = default;
};

using link_plan = std::map<link_ends, planned_link>;

/// A direction with more ports than a link can be held to is not allowed at all; `complaints` takes a line
/// for each.
link_plan plan_links(const std::vector<known_domain>& domains, const policy& rules,
                     std::vector<std::string>& complaints);

} // namespace xvsock::peer
