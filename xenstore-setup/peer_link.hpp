// SPDX-License-Identifier: MIT
/// A peer link: the xenbus device that lets two domains talk, as nodes in xenstore.
///
/// The older domain (lower domid) has the backend half, the younger the frontend half, so dom0 is always a
/// backend. The device's index is the backend's domid: a frontend has at most one link to each backend.
#pragma once

#include "domains.hpp"
#include <xvsock/xenstore/view.hpp>

#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace xvsock::peer {

/// The two ends of a link.
struct link_ends {
    domid backend = 0;
    domid frontend = 0;

    // clang-tidy 14 takes the generated comparisons with 0 for null pointers
    auto operator<=>(const link_ends&) const = default; // NOLINT(modernize-use-nullptr)
};

/// The ends of the link between two domains. Throws domain_error when they are the same domain.
link_ends make_ends(domid a, domid b);

/// The ends that words name, two by two. Throws domain_error as resolve_domain() and make_ends() do.
std::vector<link_ends> named_pairs(std::span<const std::string> words, const std::vector<domain>& known);

/// A node as it should be.
struct wanted_node {
    std::string path;
    std::string value;
    xenstore::permissions access;
    /// The drivers write the value too, so any value is right once the node exists.
    bool changes = false;
};

/// All nodes of a link, parents before children.
struct link_layout {
    std::string frontend_path; ///< of a peer link: /local/domain/F/device/vsock/B
    std::string backend_path;  ///< of a peer link: /local/domain/B/backend/vsock/F/B
    /// Nodes that must exist above the link, shared with others: made when missing, never changed.
    std::vector<wanted_node> parents;
    /// The link's own nodes.
    std::vector<wanted_node> nodes;
    /// Nodes that dom0 makes for other settings, and that must not be there for these.
    std::vector<std::string> absent;
    /// The link's own, too, with whatever the domains write there.
    std::vector<std::string> folders;
    /// Parents that remove_link() removes when nothing is left in them, children before parents.
    std::vector<std::string> removable;
};

/// Who made a link, as the mark in it says. One without a mark was made by hand, before there were marks.
inline constexpr const char *by_hand = "hand", *by_daemon = "xvsockd";

/// What dom0 tells one end about the link. What is absent, its module takes as it always did.
struct end_settings {
    std::string peer_name;                 ///< empty: not told
    std::optional<std::uint32_t> cid;      ///< its own; absent: domid + 2
    std::optional<std::uint32_t> peer_cid; ///< likewise
    std::string accept;                    ///< ports here that the peer may connect to; empty: absent, any
    std::optional<std::uint32_t> max_connections;        ///< of the peer with this end
    std::optional<std::uint64_t> max_memory;             ///< likewise, in bytes
    std::optional<std::uint32_t> domain_max_connections; ///< of its domain, with all its peers together
    std::optional<std::uint64_t> domain_max_memory;      ///< likewise

    bool operator==(const end_settings&) const = default;
};

struct link_settings {
    std::string made_by = by_hand;
    end_settings backend;
    end_settings frontend;

    bool operator==(const link_settings&) const = default;
};

/// Computes the layout. Each half is owned by its domain and readable by the peer; the keys that say who the
/// peer is are owned by dom0 and readable by both, so that neither domain can pose as another's peer. The
/// settings are owned by dom0 and readable by the half's own domain.
link_layout make_layout(const link_ends& ends, const link_settings& settings = {});

/// What the link says now, as far as it is dom0's word: without a value when there is none of the link.
/// Touches only nodes that nobody but dom0 writes.
std::optional<link_settings> read_settings(const xenstore::view& store, const link_ends& ends);

/// What is wrong with a link, a line each; empty for a link that is as it should be. Without a value when
/// there is none of it at all.
std::optional<std::vector<std::string>> find_problems(const xenstore::view& store, const link_layout& layout);

enum class add_result { added, existed, repaired };

/// Makes the link, or mends what is wrong with it. To be run in a transaction. `problems` takes what was
/// mended.
add_result add_link(const xenstore::view& store, const link_layout& layout,
                    std::vector<std::string>& problems);

/// Mends the nodes that nobody but dom0 writes, and touches no others: what the two domains write at the same
/// time makes no transaction fail. Both halves must be there. Returns what was wrong.
std::vector<std::string> mend_settings(const xenstore::view& store, const link_layout& layout);

/// Removes what there is of the link, and the parents that are then empty. To be run in a transaction.
/// Returns whether there was anything of the link.
bool remove_link(const xenstore::view& store, const link_layout& layout);

/// How a link is changed. Without a transaction others see it change node by node.
enum class how { in_transaction, without };

/// Whether a transaction fails because others change the same nodes: a domain that keeps writing into its
/// half can make it fail for as long as it likes. xenstored may take another's change for damage, EIO,
/// meanwhile.
bool others_are_busy(const std::error_code& error);

/// Whether a toolstack has the domain.
bool has_home(const xenstore::view& store, domid id);

/// What is written without a transaction while a domain goes makes its home anew. Removes such homes; to be
/// run in a transaction.
void remove_ghosts(const xenstore::view& store, const link_ends& ends);

/// A link as `list` shows it.
struct link_status {
    link_ends ends;
    link_settings settings;
    std::string backend_state;  ///< as a word; "-" when the node is missing
    std::string frontend_state; ///< likewise
    std::vector<std::string> problems;
};

/// All links, whole or damaged, by backend and then frontend.
std::vector<link_status> list_links(const xenstore::view& store);

using xenstore::state_word;

} // namespace xvsock::peer
