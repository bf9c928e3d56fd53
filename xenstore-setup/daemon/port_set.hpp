// SPDX-License-Identifier: MIT
/// Sets of ports, as ranges.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace xvsock::peer {

inline constexpr std::uint32_t last_port = 0xffffffff;

struct port_range {
    std::uint32_t first = 0;
    std::uint32_t last = 0;

    bool operator==(const port_range&) const = default;
};

/// A text that names no set of ports; what() says what is wrong and what would be right.
class port_set_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Any subset of the ports 0 to 2^32 - 1: ascending ranges with a gap between each two.
class port_set {
public:
    port_set() = default; ///< none
    explicit port_set(port_range range) : ranges_{range} {}

    static port_set all() { return port_set({0, last_port}); }

    bool empty() const { return ranges_.empty(); }
    bool contains(std::uint32_t port) const;
    const std::vector<port_range>& ranges() const { return ranges_; }

    bool operator==(const port_set&) const = default;

    friend port_set operator|(const port_set& a, const port_set& b);
    friend port_set operator-(const port_set& a, const port_set& b);
    friend port_set operator&(const port_set& a, const port_set& b) { return a - (a - b); }

private:
    std::vector<port_range> ranges_;
};

/// What one direction of a link can be held to: the module takes 256 ranges (XVSOCK_PORT_RANGES in
/// vsock_transport/ports.h), and xenstore 4096 bytes with the path.
inline constexpr std::size_t most_port_ranges = 256, longest_port_text = 4000;

/// What is wrong with the set when a link cannot be held to it, as "300 ranges of ports, and ..."; or empty.
std::string too_many_for_a_link(const port_set& ports);

/// Reads "22", "1-1023" or "1-1023,5000". Throws port_set_error.
port_set parse_port_set(std::string_view text);

/// As in xenstore: "any", "none", or "22,80,1000-2000".
std::string to_string(const port_set& ports);

} // namespace xvsock::peer
