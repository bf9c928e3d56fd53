// SPDX-License-Identifier: MIT
/// The tree that there should be below /local/domain, from the domains and the policy.
#pragma once

#include "peer_link.hpp"
#include "xen_host.hpp"

#include <map>
#include <string>

namespace xvsock::xenstored_test {

struct model_domain {
    std::string name;
    std::string uuid;
    bool operator==(const model_domain&) const = default;
};

using model = std::map<unsigned, model_domain>;

/// Links made by hand, with what is in them.
using hand_links = std::map<peer::link_ends, peer::link_settings>;

/// With the CIDs that the file says. Without a value in it, or with two domains of one UUID, the second has
/// no links; the names of two are nobody's.
tree expected_tree(const model& domains, const std::string& policy_text, const std::string& cid_file,
                   const hand_links& by_hand = {});

/// What one has and the other has not, a line each; empty when they are equal.
std::string difference(const tree& found, const tree& expected);

} // namespace xvsock::xenstored_test
