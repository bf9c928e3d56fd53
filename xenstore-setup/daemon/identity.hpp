// SPDX-License-Identifier: MIT
/// Who the domains are that run now: their UUIDs, their names, and their CIDs.
#pragma once

#include "cid_table.hpp"
#include "policy.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace xvsock::peer {

/// A domain as xenstore has it.
struct running_domain {
    domid id = 0;
    bool runs = true; ///< else it is dead, or not complete yet, and only its links are known
    std::string name; ///< empty: none
    std::string uuid; ///< in lower case; empty: none, or dom0

    bool operator==(const running_domain&) const = default;
};

/// The UUID of a domain, in lower case; empty for dom0, and for one that has none.
std::string read_uuid(const xenstore::view& store, domid id);

/// The peers of a domain's link halves.
struct own_halves {
    std::set<domid> backends;  ///< of those where it has the frontend
    std::set<domid> frontends; ///< of those where it has the backend
};

/// What is to be looked at again.
struct glance {
    bool all = false;      ///< everything
    bool domains = false;  ///< which there are
    std::set<domid> names; ///< all that is of these domains, whose names have been written

    bool empty() const { return !all && !domains && names.empty(); }
};

struct sight {
    /// All domains that run or have left something, by domid.
    std::vector<running_domain> domains;
    std::map<domid, own_halves> halves; ///< of those that were looked at
};

/// What is there now, from what was there the last time: what is not to be looked at again costs no call.
sight look(const xenstore::view& store, const std::vector<running_domain>& known, const glance& wanted);

/// What a link of the daemon's says about one of its domains, which has got the CID from there.
struct linked_cid {
    domid id = 0;
    std::string uuid;
    std::uint32_t cid = 0;
};

/// The CIDs that running domains have by the links that the daemon has made.
std::vector<linked_cid> list_linked(const xenstore::view& store, const sight& seen);

/// A domain as everybody is to know it.
struct known_domain {
    subject who;
    std::string name;            ///< for people: as xenstore has it
    std::uint32_t cid;           ///< 0 while it has a problem
    std::string problem;         ///< why it can have no links; empty: none
    std::string remark;          ///< what people should know of its name besides
    std::string cid_remark = {}; ///< and of its CID
};

/// Which domid has a UUID: the first that was seen with it, or, after a start, the one that has links.
using uuid_holders = std::map<std::string, domid>;

/// Tells the domains apart, and gives CIDs to those that have none. `holders` is what was found the last
/// time, and takes what is found now. Of two domains with one UUID the second gets no CID, and of two with
/// one name none has a name of its own.
std::vector<known_domain> identify(const std::vector<running_domain>& running, const policy& rules,
                                   cid_draft& cids, uuid_holders& holders);

} // namespace xvsock::peer
