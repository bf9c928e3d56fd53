// SPDX-License-Identifier: MIT
/// A plain link: lets a domain that runs the module and programs of another one that does not, but uses
/// libxenvchan, connect to each other on the ports that are named.
#pragma once

#include "peer_link.hpp"

namespace xvsock::peer {

/// The two ends of a plain link.
struct plain_ends {
    domid module = 0; ///< runs the module
    domid plain = 0;  ///< does not

    auto operator<=>(const plain_ends&) const = default; // NOLINT(modernize-use-nullptr)
};

/// Ports as a person names them; one that cannot be.
class port_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Most ports that one list names: what the module takes.
inline constexpr std::size_t most_plain_ports = 64;

struct plain_ports {
    std::string connect; ///< of the plain domain, that the other may connect to: as in xenstore
    std::string accept;  ///< of the other, that programs of the plain domain may connect to: likewise

    bool operator==(const plain_ports&) const = default;
};

/// "22,80" as the module reads it in xenstore: "22 80"; or "any", where that may be. Throws port_error.
std::string parse_ports(const std::string& text, bool may_be_any);

/// Computes the layout; the half of the domain without the module is dom0's own, and so are the ports.
link_layout make_plain_layout(const plain_ends& ends, const plain_ports& ports, const std::string& name = {});

enum class plain_result { added, existed, changed };

/// Whether there is a plain link, or a part of one.
bool is_plain_link(const xenstore::view& store, const plain_ends& ends);

/// Makes the link or changes it to these ports, which the module is told of. To be run in a transaction.
/// Throws domain_error when there is a peer link between the two, or a plain one the other way round.
plain_result add_plain_link(const xenstore::view& store, const plain_ends& ends, const plain_ports& ports,
                            const std::string& name);

struct plain_status {
    plain_ends ends;
    plain_ports ports;
    std::string state; ///< of the module's half, as a word
    std::vector<std::string> problems;
};

/// All plain links, by the module's domain and then the other.
std::vector<plain_status> list_plain_links(const xenstore::view& store);

} // namespace xvsock::peer
