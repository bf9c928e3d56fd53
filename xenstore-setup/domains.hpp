// SPDX-License-Identifier: MIT
/// Which domains there are, and which one a person means.
#pragma once

#include <xvsock/xenstore/view.hpp>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace xvsock::peer {

using xenstore::domid;

/// Domids from here on are reserved by Xen (DOMID_FIRST_RESERVED).
inline constexpr unsigned first_reserved_domid = 0x7ff0;

/// What toolstacks name dom0.
inline constexpr std::string_view dom0_name = "Domain-0";

struct domain {
    domid id = 0;
    std::string name; ///< empty when it has none

    bool operator==(const domain&) const = default;
};

/// The CID of a domain: its domid plus 2, so that dom0 is VMADDR_CID_HOST.
constexpr std::uint32_t default_cid(domid id) {
    return std::uint32_t{id} + 2;
}

/// A domain named on the command line that cannot be the one that is meant.
class domain_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Reads a domid; without a value when the text is not one.
std::optional<domid> parse_domid(std::string_view text);

/// All domains that xenstore knows, by ascending domid.
std::vector<domain> list_domains(const xenstore::view& store);

/// The domid that `text` means: all digits are a domid, which is not looked up; `name:NAME` and anything else
/// is a name. Throws domain_error when no domain or more than one has the name, or the domid is out of range.
domid resolve_domain(std::string_view text, const std::vector<domain>& known);

/// Throws domain_error that lists the known domains when `id` is not among them.
void require_domain(domid id, const std::vector<domain>& known);

/// Throws domain_error when the domain has gone since the known ones were listed.
void require_still_there(const xenstore::view& store, domid id, const std::vector<domain>& known);

/// The domain's name, or an empty string.
std::string name_of(domid id, const std::vector<domain>& known);

/// For messages: "2 (guest-a)", or "2" for a domain without a name.
std::string describe(domid id, const std::vector<domain>& known);

} // namespace xvsock::peer
