// SPDX-License-Identifier: MIT
/// Where a stream begins or ends, as a person writes it: vsock:PEER:PORT, tcp:HOST:PORT or unix:PATH.
#pragma once

#include "perf/address.hpp"

#include <xvsock/endpoint.hpp>

#include <boost/asio/generic/stream_protocol.hpp>
#include <optional>
#include <string>
#include <vector>

namespace xvsock::sockets {

using protocol = boost::asio::generic::stream_protocol;
using stream_socket = protocol::socket;
using perf::address_role;

struct place {
    std::string text;                          ///< as it was written
    perf::address where;                       ///< of a peer's name, its CID
    std::vector<protocol::endpoint> endpoints; ///< to be tried in turn
    std::optional<cid_type> only_from = {};    ///< to listen: from whom alone a connection is wanted
};

/// Reads what perf::parse_address() reads; a PEER may be a peer's name as well. Names are looked up. Blocks.
/// Throws std::invalid_argument for what cannot be understood, and std::runtime_error for a name that nobody
/// has.
place find_place(const std::string& text, address_role role);

/// To connect to: as find_place(), where PEER:PORT is short for vsock:PEER:PORT, and PEER alone means its
/// default port if there is one. Blocks and throws likewise.
place find_peer(const std::string& text, std::optional<port_type> default_port = {});

/// To listen at: PORT or PEER:PORT, also after vsock:, where only the PEER may connect; or a place of another
/// family as find_place() reads it. Blocks and throws likewise.
place find_listener(const std::string& text);

/// "cannot connect to vsock:web:80: Connection reset by peer; nobody listens on port 80 of CID 5, ..."
std::string explain(const place& where, address_role role, const boost::system::error_code& error);

/// Who is at the other end of a connection: a peer's name, "CID 5" for one without, or an address. Blocks.
std::string name_of(const protocol::endpoint& remote);

/// The CID of an AF_VSOCK endpoint; without a value for another family.
std::optional<cid_type> cid_of(const protocol::endpoint& remote);

} // namespace xvsock::sockets
