// SPDX-License-Identifier: MIT
/// The peers of this domain: what xenstore says of their links, and what the module has counted.
#pragma once

#include "stat/counters.hpp"

#include <xvsock/resolver.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace xvsock::peers {

/// A peer, as far as it is known. Without a link it is one that only the module knows.
struct peer {
    std::string name; ///< empty when it has none
    std::optional<std::uint64_t> domid;
    cid_type cid = 0;
    bool plain = false;
    std::string state;                           ///< of the link, in words; empty when not known
    std::optional<std::uint64_t> connections;    ///< that there are now
    std::optional<std::uint64_t> sent_bytes;     ///< to the peer, since the link was made
    std::optional<std::uint64_t> received_bytes; ///< likewise
    // What dom0 restricts, as in known_link.
    std::optional<std::uint64_t> max_connections;
    std::optional<std::uint64_t> max_memory;
    std::optional<std::uint64_t> domain_max_connections;
    std::optional<std::uint64_t> domain_max_memory;
    std::string accept;
};

/// The links that xenstore has for this domain. Blocks. Throws boost::system::system_error when xenstore
/// cannot be asked.
std::vector<known_link> read_links();

/// Links and counters, either of which may be missing, by ascending CID.
std::vector<peer> merge(const std::vector<known_link>& links, const counters::snapshot* counted);

/// A table for people.
std::string format_table(const std::vector<peer>& list);

/// One line: an object with `peers`, a list, and `problems`, why something is not known.
std::string format_json(const std::vector<peer>& list, const std::vector<std::string>& problems);

/// "the peers are g1 and g2", "this domain has no peers".
std::string known_names(const std::vector<known_link>& links);

/// Why the resolver has found no domain for NAME or NAME:PORT, with the names that there are. Blocks.
std::string explain_unknown(const std::string& name, const boost::system::error_code& error);

/// The peer's name, or "CID 5" when it has none or xenstore cannot be asked. Blocks.
std::string name_of(cid_type cid);

/// The link to a CID; without a value when there is none, or xenstore cannot be asked. Blocks.
std::optional<known_link> find_link(cid_type cid);

} // namespace xvsock::peers
