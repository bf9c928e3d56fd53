// SPDX-License-Identifier: MIT
#include "perf/protocol.hpp"

#include "perf/quantity.hpp"

#include <bit>
#include <boost/endian/arithmetic.hpp>
#include <fmt/format.h>

namespace xvsock::perf {

namespace {

using namespace boost::endian;

struct head {
    little_uint32_t magic;
    little_uint16_t version;
};

struct wire_request {
    head common;
    little_uint8_t kind;
    little_uint8_t flags;
    little_uint32_t size;
    little_uint32_t reserved;
    little_uint64_t count;
    little_uint64_t seed;
};

struct wire_reply {
    head common;
    little_uint8_t status;
    little_uint8_t reserved[1];
    little_uint64_t received;
    little_uint64_t offset;
    little_uint8_t expected;
    little_uint8_t actual;
    little_uint8_t reserved_end[6];
};

static_assert(sizeof(wire_request) == frame_size && sizeof(wire_reply) == frame_size);

constexpr std::uint8_t flag_verify = 1;
constexpr std::uint64_t max_count = std::uint64_t{1} << 36; // times max_message_size this is still below 2^63

head make_head() {
    head common;
    common.magic = protocol_magic;
    common.version = protocol_version;
    return common;
}

void check_head(const head& common) {
    if (common.magic != protocol_magic)
        throw protocol_error(protocol_error::reason::stranger, "the other end is not xvsock perf");
    if (common.version != protocol_version)
        throw protocol_error(
            protocol_error::reason::version,
            fmt::format("the other end speaks version {} of the protocol, this program version {}",
                        std::uint16_t(common.version), protocol_version));
}

[[noreturn]] void refuse(const std::string& message) {
    throw protocol_error(protocol_error::reason::bounds, message);
}

} // namespace

frame encode(const request& message) {
    wire_request wire{};
    wire.common = make_head();
    wire.kind = std::uint8_t(message.kind);
    wire.flags = message.verify ? flag_verify : 0;
    wire.size = message.size;
    wire.count = message.count;
    wire.seed = message.seed;
    return std::bit_cast<frame>(wire);
}

frame encode(const reply& message) {
    wire_reply wire{};
    wire.common = make_head();
    wire.status = std::uint8_t(message.status);
    wire.received = message.received;
    wire.offset = message.difference.offset;
    wire.expected = message.difference.expected;
    wire.actual = message.difference.actual;
    return std::bit_cast<frame>(wire);
}

request decode_request(const frame& data) {
    const auto wire = std::bit_cast<wire_request>(data);
    check_head(wire.common);
    if (wire.kind < std::uint8_t(test_kind::ping_pong) || wire.kind > std::uint8_t(test_kind::connects))
        refuse(fmt::format("request for an unknown kind of test, {}", std::uint8_t(wire.kind)));
    if ((wire.flags & ~flag_verify) != 0)
        refuse(fmt::format("request with unknown flags, {:#x}", std::uint8_t(wire.flags)));
    if (wire.size < 1 || wire.size > max_message_size)
        refuse(fmt::format("request for messages of {} bytes, must be from 1 to {}", std::uint32_t(wire.size),
                           max_message_size));
    if (wire.kind == std::uint8_t(test_kind::connects) && wire.size != 1)
        refuse(
            fmt::format("request for connections with {} bytes each, must be 1", std::uint32_t(wire.size)));
    if (wire.count < 1 || wire.count > max_count)
        refuse(fmt::format("request for {} messages, must be from 1 to {}", std::uint64_t(wire.count),
                           max_count));
    return {.kind = test_kind(std::uint8_t(wire.kind)),
            .verify = (wire.flags & flag_verify) != 0,
            .size = wire.size,
            .count = wire.count,
            .seed = wire.seed};
}

reply decode_reply(const frame& data) {
    const auto wire = std::bit_cast<wire_reply>(data);
    // The version first: a server of another version says so in a reply whose remaining fields may differ.
    check_head(wire.common);
    if (wire.status < std::uint8_t(reply_status::ready) ||
        wire.status > std::uint8_t(reply_status::bad_request))
        refuse(fmt::format("reply with an unknown status, {}", std::uint8_t(wire.status)));
    return {.status = reply_status(std::uint8_t(wire.status)),
            .received = wire.received,
            .difference = {wire.offset, wire.expected, wire.actual}};
}

} // namespace xvsock::perf
