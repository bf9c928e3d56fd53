// SPDX-License-Identifier: MIT
/// xenstore, through libxenstore: values, directories, permissions and transactions.
///
/// All functions block until xenstored answers; a call_guard bounds that. Errors are std::system_error with
/// xenstored's errno in generic_category and the operation and path in the text.
#pragma once

#include "xenstore/call_guard.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

// The header does not say that its functions are C.
extern "C" {
#include <xenstore.h>
}

namespace xvsock::xenstore {

using domid = std::uint16_t;

enum class access : unsigned { none = XS_PERM_NONE, read = XS_PERM_READ, write = XS_PERM_WRITE, both = 3 };

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

/// The nodes, seen directly or from inside a transaction.
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

protected:
    view(xs_handle* handle, xs_transaction_t transaction, call_guard& guard)
        : handle_(handle), transaction_(transaction), guard_(guard) {}
    ~view() = default;

private:
    friend class client;

    xs_handle* handle_;
    xs_transaction_t transaction_;
    call_guard& guard_;
};

struct client_options {
    std::chrono::milliseconds timeout = std::chrono::seconds(10); ///< of each call
    call_guard::timeout_handler on_timeout;                       ///< called when a call takes longer
};

/// A connection to xenstored. Used by one thread.
class client {
public:
    /// Connects. Throws std::system_error.
    explicit client(const client_options& options);

    /// Runs `body` in a transaction, so that either all of its changes are made or none. It is run again,
    /// from the start, when somebody else changed what it touched; after many attempts std::system_error with
    /// EAGAIN is thrown. An exception from `body` abandons the transaction.
    void transact(const std::function<void(const view&)>& body);

private:
    struct closer {
        void operator()(xs_handle* handle) const { xs_close(handle); }
    };

    bool try_transaction(const std::function<void(const view&)>& body);

    call_guard guard_;
    std::unique_ptr<xs_handle, closer> handle_;
};

/// What the guard calls the one operation after whose time-out nobody knows whether the change was made.
inline constexpr const char* commit_operation = "commit the transaction";

} // namespace xvsock::xenstore
