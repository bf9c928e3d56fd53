// SPDX-License-Identifier: MIT
/// Where a stream begins or ends, as a person writes it: vsock:PEER:PORT, tcp:HOST:PORT or unix:PATH.
#pragma once

#include "perf/address.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <string>
#include <vector>

namespace xvsock::forward {

using protocol = boost::asio::generic::stream_protocol;
using perf::address_role;

struct place {
    std::string text; ///< as it was written
    perf::address_family family = perf::address_family::tcp;
    std::string path;                          ///< of unix:PATH
    std::vector<protocol::endpoint> endpoints; ///< to be tried in turn
};

/// Reads what perf::parse_address() reads; a PEER may be a peer's name as well. Names are looked up. Blocks.
/// Throws std::invalid_argument for what cannot be understood, and std::runtime_error for a name that nobody
/// has.
place find_place(const std::string& text, address_role role);

/// "cannot connect to vsock:web:80: Connection reset by peer; nobody listens on port 80 of CID 5, ..."
std::string explain(const place& where, address_role role, const boost::system::error_code& error);

} // namespace xvsock::forward
