// SPDX-License-Identifier: MIT
/// What `xvsock run` tells the library in the program: docs in xvsock-run(1).
#pragma once

#include <xvsock/resolver.hpp>

#include <istream>
#include <string>
#include <vector>

namespace xvsock::run {

/// An IP address that stands for a domain.
struct mapping {
    std::string address;
    cid_type cid = 0;

    bool operator==(const mapping&) const = default;
};

/// Reads lines of "ADDRESS PEER", where PEER is a peer's name or a CID; a # begins a comment. Throws
/// std::runtime_error with `name` and the line's number.
std::vector<mapping> read_map(std::istream& input, const std::string& name,
                              const std::vector<known_peer>& peers);

/// All of it as the library reads it.
std::string map_text(cid_type own, const std::vector<known_peer>& peers,
                     const std::vector<mapping>& addresses);

} // namespace xvsock::run
