// SPDX-License-Identifier: MIT
#include "observe/capture.hpp"

#include <array>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <linux/vsockmon.h>

namespace xvsock::guest {

namespace {

// The file's format is pcap-savefile(5)'s; the domains and the file are of one byte order.
struct file_header {
    std::uint32_t magic;
    std::uint16_t major, minor;
    std::int32_t zone;
    std::uint32_t sigfigs;
    std::uint32_t snap_length;
    std::uint32_t link_type;
};

struct packet_header {
    std::uint32_t seconds, micros;
    std::uint32_t captured, length;
};

constexpr std::uint32_t pcap_magic = 0xa1b2c3d4;
constexpr std::uint32_t linktype_vsock = 271;

constexpr std::array<const char*, 5> operation_names{"UNKNOWN", "CONNECT", "DISCONNECT", "CONTROL",
                                                     "PAYLOAD"};
static_assert(AF_VSOCK_OP_CONNECT == 1 && AF_VSOCK_OP_DISCONNECT == 2 && AF_VSOCK_OP_CONTROL == 3 &&
              AF_VSOCK_OP_PAYLOAD == 4);

template <typename Header> Header take(const std::string& data, std::size_t& at, const char* what) {
    Header header{};
    if (data.size() - at < sizeof header)
        throw std::runtime_error(std::string("the capture ends within ") + what);
    std::memcpy(&header, data.data() + at, sizeof header);
    at += sizeof header;
    return header;
}

} // namespace

std::string flow::story() const {
    std::string text;
    std::uint16_t last = UINT16_MAX;
    for (const std::uint16_t operation : operations) {
        if (operation == last)
            continue;
        text += text.empty() ? "" : " ";
        text += operation < operation_names.size() ? operation_names[operation] : std::to_string(operation);
        last = operation;
    }
    return text;
}

std::map<flow_name, flow> read_capture(const std::filesystem::path& file) {
    std::ifstream input(file, std::ios::binary);
    const std::string data{std::istreambuf_iterator<char>(input), {}};
    std::size_t at = 0;
    const auto head = take<file_header>(data, at, "the file's header");
    if (head.magic != pcap_magic || head.link_type != linktype_vsock)
        throw std::runtime_error("not a pcap file of vsockmon packets: link type " +
                                 std::to_string(head.link_type));

    std::map<flow_name, flow> flows;
    while (at < data.size()) {
        const auto packet = take<packet_header>(data, at, "a packet's header");
        if (packet.captured != packet.length)
            throw std::runtime_error("a packet is cut off");
        const std::size_t end = at + packet.captured;
        const auto vsock = take<af_vsockmon_hdr>(data, at, "a vsockmon header");
        if (vsock.transport != AF_VSOCK_TRANSPORT_NO_INFO || vsock.len != 0)
            throw std::runtime_error("a packet with a transport's header");
        if (end > data.size() || end < at)
            throw std::runtime_error("the capture ends within a packet");
        flow& added = flows[{.source_cid = vsock.src_cid,
                             .source_port = vsock.src_port,
                             .target_cid = vsock.dst_cid,
                             .target_port = vsock.dst_port}];
        added.operations.push_back(vsock.op);
        if ((vsock.op == AF_VSOCK_OP_PAYLOAD) != (end > at))
            throw std::runtime_error("a packet of operation " + std::to_string(vsock.op) + " with " +
                                     std::to_string(end - at) + " bytes");
        added.payload.append(data, at, end - at);
        at = end;
    }
    return flows;
}

std::uint64_t hash_of(const std::string& payload) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char byte : payload)
        hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
    return hash;
}

std::string describe(const flow_name& name, const flow& what) {
    return std::to_string(name.source_cid) + ":" + std::to_string(name.source_port) + " > " +
           std::to_string(name.target_cid) + ":" + std::to_string(name.target_port) + " " + what.story() +
           " " + std::to_string(what.payload.size()) + " " + std::to_string(hash_of(what.payload));
}

} // namespace xvsock::guest
