// SPDX-License-Identifier: MIT
#include "perf/protocol.hpp"
#include "perf/quantity.hpp"

#include <gtest/gtest.h>

namespace xvsock::perf {
namespace {

using reason = protocol_error::reason;

const request good{
    .kind = test_kind::stream_both, .verify = true, .size = 65536, .count = 3, .seed = 0x1122334455667788};

/// Why a frame is refused as a request; a failure when it is not.
reason refusal(const frame& data) {
    try {
        decode_request(data);
    } catch (const protocol_error& error) {
        return error.why();
    }
    ADD_FAILURE() << "the frame was accepted";
    return reason::stranger;
}

TEST(protocol, a_request_survives_the_wire) {
    EXPECT_EQ(decode_request(encode(good)), good);
    request plain{.kind = test_kind::ping_pong, .verify = false, .size = 1, .count = 1, .seed = 0};
    EXPECT_EQ(decode_request(encode(plain)), plain);
    plain.kind = test_kind::connects;
    EXPECT_EQ(decode_request(encode(plain)), plain);
}

TEST(protocol, a_reply_survives_the_wire) {
    const reply message{
        .status = reply_status::corrupt, .received = 12345678901, .difference = {77, 0xaa, 0x55}};
    EXPECT_EQ(decode_reply(encode(message)), message);
}

TEST(protocol, the_bytes_are_little_endian_in_fixed_places) {
    const frame data = encode(good);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(data.data()), 4), "XVPF");
    EXPECT_EQ(data[4], std::byte{protocol_version});
    EXPECT_EQ(data[6], std::byte{4});     // kind
    EXPECT_EQ(data[7], std::byte{1});     // flags
    EXPECT_EQ(data[10], std::byte{1});    // 65536
    EXPECT_EQ(data[16], std::byte{3});    // count
    EXPECT_EQ(data[24], std::byte{0x88}); // seed
}

TEST(protocol, a_stranger_is_told_from_another_version) {
    frame data = encode(good);
    data[0] ^= std::byte{1};
    EXPECT_EQ(refusal(data), reason::stranger);
    EXPECT_EQ(refusal(frame{}), reason::stranger);
    data = encode(good);
    data[4] = std::byte{protocol_version + 1};
    EXPECT_EQ(refusal(data), reason::version);
}

TEST(protocol, hostile_fields_are_refused) {
    const auto with = [](auto change) {
        request changed = good;
        change(changed);
        return encode(changed);
    };
    EXPECT_EQ(refusal(with([](request& r) { r.size = 0; })), reason::bounds);
    EXPECT_EQ(refusal(with([](request& r) { r.size = max_message_size + 1; })), reason::bounds);
    EXPECT_EQ(refusal(with([](request& r) { r.size = UINT32_MAX; })), reason::bounds);
    EXPECT_EQ(refusal(with([](request& r) { r.count = 0; })), reason::bounds);
    EXPECT_EQ(refusal(with([](request& r) { r.count = UINT64_MAX; })), reason::bounds);
    EXPECT_EQ(refusal(with([](request& r) { r.count = (1ull << 36) + 1; })), reason::bounds);
    EXPECT_EQ(refusal(with([](request& r) { r.kind = test_kind(0); })), reason::bounds);
    EXPECT_EQ(refusal(with([](request& r) { r.kind = test_kind(6); })), reason::bounds);
    EXPECT_EQ(refusal(with([](request& r) { r.kind = test_kind::connects; })), reason::bounds) << "of 64 KiB";
    frame flags = encode(good);
    flags[7] = std::byte{0x80};
    EXPECT_EQ(refusal(flags), reason::bounds);
}

TEST(protocol, the_largest_test_does_not_overflow) {
    request largest = good;
    largest.size = max_message_size;
    largest.count = 1ull << 36;
    EXPECT_EQ(decode_request(encode(largest)).volume(), 1ull << 62);
}

TEST(protocol, unknown_statuses_are_refused) {
    for (const int status : {0, 6, 255})
        EXPECT_THROW(
            decode_reply(encode(reply{.status = reply_status(status), .received = 0, .difference = {}})),
            protocol_error);
}

} // namespace
} // namespace xvsock::perf
