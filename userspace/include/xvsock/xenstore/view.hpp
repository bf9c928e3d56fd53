// SPDX-License-Identifier: MIT
/// The nodes of xenstore, through libxenstore: values, directories and permissions.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

struct xs_handle;

namespace xvsock::xenstore {

using domid = std::uint16_t;

/// As in xenstore_lib.h.
enum class access : unsigned { none = 0, read = 1, write = 2, both = 3 };

/// What one domain may do with a node.
struct permission {
    domid domain = 0;
    access granted = access::none;

    bool operator==(const permission&) const = default;
};

/// As xenstore keeps them: the first entry names the owner, who may do everything, and what all domains that
/// are not listed may do; each further entry is for one domain.
using permissions = std::vector<permission>;

/// A node that only `owner` may write and only `readers` may read besides. A reader that is the owner is left
/// out.
permissions owned_by(domid owner, std::initializer_list<domid> readers = {});

/// The permissions as xenstore's tools write them: "n2 r1".
std::string to_string(const permissions& list);

/// The word for the value of a xenbus state's node: Initialising, Connected, ...; "unknown (TEXT)" for what
/// is none.
std::string state_word(const std::string& value);

namespace detail {
class connection;
}

/// The nodes, seen directly or from inside a transaction, by the body of client::async_run() or
/// client::async_transact(), which alone gets one and may use it only until it returns.
///
/// A path that does not begin with '/' is below the domain's own home. All functions block until xenstored
/// answers. Errors are std::system_error with xenstored's errno in generic_category and the operation and
/// path in the text; ECANCELED once the operation has been cancelled.
class view {
public:
    /// Without a value when there is no such node.
    std::optional<std::string> read(const std::string& path) const;

    /// Creates the node and missing parents, or replaces its value; permissions of an existing node stay.
    void write(const std::string& path, const std::string& value) const;

    /// Creates an empty node and missing parents; does nothing when the node exists.
    void make(const std::string& path) const;

    /// Names of the children; without a value when there is no such node.
    std::optional<std::vector<std::string>> list(const std::string& path) const;

    bool exists(const std::string& path) const { return read(path).has_value(); }

    /// Removes a node and all below it. Returns whether there was one.
    bool remove(const std::string& path) const;

    /// Without a value when there is no such node.
    std::optional<permissions> get_permissions(const std::string& path) const;
    void set_permissions(const std::string& path, const permissions& list) const;

    /// Whether xenstored knows the domain as one that runs: what is left of a dead one in the store does not
    /// count. Is not part of a transaction.
    bool is_introduced(domid domain) const;

private:
    friend class detail::connection;

    view(detail::connection& owner, std::uint32_t transaction) : owner_(owner), transaction_(transaction) {}

    detail::connection& owner_;
    std::uint32_t transaction_; // XBT_NULL outside of transactions
};

} // namespace xvsock::xenstore
