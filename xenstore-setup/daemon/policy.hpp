// SPDX-License-Identifier: MIT
/// Who may talk to whom: the policy, once it is read, and what it says about domains.
#pragma once

#include "domains.hpp"
#include "port_set.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace xvsock::peer {

/// A domain as the policy sees it.
struct subject {
    domid id = 0;
    std::string uuid; ///< in lower case; empty for dom0
    /// Without a value when it has none that is its alone. A rule that goes by name may or may not be about
    /// such a domain.
    std::optional<std::string> name;
};

/// Ascending: of two conditions that must both hold, the lower counts.
enum class match { no, maybe, yes };

/// What stands for one or more domains in a line of the policy.
struct pattern {
    enum class kind { any, dom0, name, glob, uuid, group };

    kind is = kind::any;
    std::string text;                                    ///< of name, glob and uuid
    std::shared_ptr<const std::vector<pattern>> members; ///< of a group

    match matches(const subject& one) const;
};

struct rule {
    bool allow = false;
    pattern from;
    pattern to;
    bool both = false; ///< and from `to` to `from`
    port_set ports;    ///< of the one that is connected to
    unsigned line = 0;
};

/// What a domain may have with all its peers together, to which its own module holds it, and with each of
/// them, to which that peer's module does; in either direction. Without a value, the module's own limit
/// counts.
struct limits {
    std::optional<std::uint32_t> connections;
    std::optional<std::uint64_t> memory; ///< bytes

    bool operator==(const limits&) const = default;
};

struct limit_line {
    pattern who;
    limits most;
};

struct pin {
    pattern who; ///< a name or a UUID
    std::uint32_t cid = 0;
    unsigned line = 0;
};

/// What one domain may do with another.
struct verdict {
    port_set ports;    ///< of the other that it may connect to
    unsigned line = 0; ///< the first rule that allows some of it; 0 when none does
};

struct policy {
    std::vector<rule> rules;
    std::vector<limit_line> limit_lines;
    std::vector<pin> pins;

    /// For each port the first rule that matches decides; what none matches is denied. Where it is not known
    /// whether a rule matches, it does if it denies, and does not if it allows.
    verdict judge(const subject& from, const subject& to) const;

    /// The first line that matches. Where it is not known whether one does, the lower limits count.
    limits limits_of(const subject& one) const;

    /// The first line that is about the domain for certain.
    const pin* pin_of(const subject& one) const;
};

} // namespace xvsock::peer
