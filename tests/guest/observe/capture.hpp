// SPDX-License-Identifier: MIT
// Captures of a vsockmon device: what tcpdump has written, as flows from one address to another.
#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace xvsock::guest {

struct flow_name {
    std::uint64_t source_cid = 0;
    std::uint32_t source_port = 0;
    std::uint64_t target_cid = 0;
    std::uint32_t target_port = 0;

    auto operator<=>(const flow_name&) const = default;
};

struct flow {
    std::vector<std::uint16_t> operations; // enum af_vsockmon_op, in the order of the packets
    std::string payload;                   // of all its packets

    // For instance "CONNECT PAYLOAD PAYLOAD DISCONNECT", each repeated one only once.
    std::string story() const;
};

// Throws std::runtime_error when the file is no pcap file of vsockmon packets, or a packet is cut off.
std::map<flow_name, flow> read_capture(const std::filesystem::path& file);

// To compare payloads of two domains: FNV-1a.
std::uint64_t hash_of(const std::string& payload);

// A line for a flow, as `vsock-observe-test --flows FILE` prints it.
std::string describe(const flow_name& name, const flow& what);

} // namespace xvsock::guest
