// SPDX-License-Identifier: MIT
// The bytes of the protocol, as docs/file-transfer.md has them, and what is no such bytes.
#include "transfer/protocol.hpp"

#include <gtest/gtest.h>

namespace xvsock::transfer {
namespace {

bytes header_bytes(unsigned char kind, std::uint32_t size, unsigned char reserved = 0) {
    bytes text{kind, reserved, 0, 0};
    for (unsigned i = 0; i < 4; ++i)
        text.push_back((size >> (8 * i)) & 0xffU);
    return text;
}

bool is_header(unsigned kind, std::uint32_t size) {
    try {
        parse_header(header_bytes(static_cast<unsigned char>(kind), size));
        return true;
    } catch (const protocol_error&) {
        return false;
    }
}

TEST(transfer_protocol, greeting) {
    const auto ours = make_greeting();
    EXPECT_EQ(bytes(ours.begin(), ours.end()), (bytes{'x', 'v', 'f', 'i', 'l', 'e', 1, 0}));
    EXPECT_NO_THROW(check_greeting(ours));
    for (std::size_t i = 0; i < ours.size(); ++i) {
        auto other = ours;
        other[i] ^= 0x10U;
        EXPECT_THROW(check_greeting(other), protocol_error) << i;
    }
    EXPECT_THROW(check_greeting(byte_view(ours).first(7)), protocol_error);
    try {
        auto newer = ours;
        newer[6] = 2;
        check_greeting(newer);
        FAIL();
    } catch (const protocol_error& error) {
        EXPECT_STREQ(error.what(), "the other end speaks version 2 of the protocol, this one version 1");
    }
}

TEST(transfer_protocol, header) {
    const auto text = make_header(message_kind::data, 0x030201);
    EXPECT_EQ(bytes(text.begin(), text.end()), (bytes{4, 0, 0, 0, 1, 2, 3, 0}));
    const auto parsed = parse_header(header_bytes(4, 256 * 1024));
    EXPECT_EQ(parsed.kind, message_kind::data);
    EXPECT_EQ(parsed.size, 256U * 1024);
}

TEST(transfer_protocol, sizes_of_bodies_are_bounded) {
    EXPECT_FALSE(is_header(0, 0));
    EXPECT_FALSE(is_header(10, 0));
    EXPECT_FALSE(is_header(255, 0));
    EXPECT_TRUE(is_header(1, 13)); // a name of one byte
    EXPECT_FALSE(is_header(1, 12));
    EXPECT_TRUE(is_header(1, 12 + 250));
    EXPECT_FALSE(is_header(1, 12 + 251));
    for (const auto& [kind, size] : {std::pair(2U, 40U), {3U, 8U}, {5U, 32U}, {6U, 32U}, {9U, 0U}}) {
        EXPECT_TRUE(is_header(kind, size)) << kind;
        EXPECT_FALSE(is_header(kind, size + 1)) << kind;
        EXPECT_TRUE(size == 0 || !is_header(kind, size - 1)) << kind;
    }
    EXPECT_FALSE(is_header(4, 0)) << "data of nothing";
    EXPECT_FALSE(is_header(4, 256 * 1024 + 1));
    EXPECT_FALSE(is_header(4, UINT32_MAX));
    EXPECT_TRUE(is_header(7, 1024));
    EXPECT_FALSE(is_header(8, 1025));
    EXPECT_THROW(parse_header(header_bytes(9, 0, 1)), protocol_error) << "a reserved byte";
}

TEST(transfer_protocol, offer) {
    const offer_body offer{.size = 0x0000'0001'0203'0405, .mode = 0640, .name = "n"};
    const auto body = make_offer(offer);
    EXPECT_EQ(body, (bytes{5, 4, 3, 2, 1, 0, 0, 0, 0xa0, 1, 0, 0, 'n'}));
    EXPECT_EQ(parse_offer(body), offer);
    EXPECT_EQ(parse_offer(make_offer({.size = 1, .mode = 06755, .name = "n"})).mode, 0755U) << "no setuid";
}

TEST(transfer_protocol, no_size_that_no_file_has) {
    EXPECT_EQ(parse_offer(make_offer({.size = INT64_MAX, .mode = 0, .name = "n"})).size,
              std::uint64_t{INT64_MAX});
    EXPECT_THROW(parse_offer(make_offer({.size = std::uint64_t{1} << 63U, .mode = 0, .name = "n"})),
                 protocol_error);
    EXPECT_THROW(parse_start(make_start(UINT64_MAX)), protocol_error);
    EXPECT_THROW(parse_have(make_have({.size = UINT64_MAX, .sum = {}})), protocol_error);
}

TEST(transfer_protocol, have_start_and_digest) {
    have_body have{.size = 0x1'0000'0000, .sum = {}};
    have.sum[0] = 0xaa;
    have.sum[31] = 0xbb;
    const auto body = make_have(have);
    ASSERT_EQ(body.size(), 40U);
    EXPECT_EQ(body[4], 1);
    EXPECT_EQ(body[8], 0xaa);
    EXPECT_EQ(body[39], 0xbb);
    EXPECT_EQ(parse_have(body), have);
    EXPECT_EQ(parse_start(make_start(0x1'0000'0001)), 0x1'0000'0001U);
    EXPECT_EQ(parse_digest(make_digest(have.sum)), have.sum);
}

TEST(transfer_protocol, texts_are_cut_and_do_nothing_to_a_terminal) {
    EXPECT_EQ(make_text(std::string(5000, 'x')).size(), 1024U);
    EXPECT_EQ(parse_text(make_text("a\x1b[2Jb\n")), "a?[2Jb?");
}

TEST(transfer_protocol, names) {
    for (const char* good : {"a", "a b", "-rf", "x.tar.gz", "part", "\xc3\xa4"})
        EXPECT_EQ(objection_to_name(good), "") << good;
    for (const char* bad :
         {"", ".", "..", ".bashrc", "/", "a/b", "../a", "a\n", "\x1b[2J", "\x7f", "a.part", "a\t"})
        EXPECT_NE(objection_to_name(bad), "") << bad;
    for (const char* bad : {"a\xc2\x9b", "\xc2\x9d", "a\xff", "\xc0\xaf", "\xed\xa0\x80", "a\xe2\x82", "\x9b",
                            "\xf4\x90\x80\x80"})
        EXPECT_NE(objection_to_name(bad), "") << bad;
    for (const char* good : {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\xa7", "\xc2\xa0"})
        EXPECT_EQ(objection_to_name(good), "") << good;
    EXPECT_NE(objection_to_name(std::string_view("a\0b", 3)), "");
    EXPECT_EQ(objection_to_name(std::string(250, 'x')), "");
    EXPECT_NE(objection_to_name(std::string(251, 'x')), "");
}

TEST(transfer_checksum, is_sha_256) {
    checksum sum;
    EXPECT_EQ(to_string(sum.value()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sum.update("ab", 2);
    (void)sum.value(); // which may be asked for in between
    sum.update("c", 1);
    EXPECT_EQ(to_string(sum.value()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(transfer_protocol, texts_of_others_do_nothing_to_a_terminal) {
    EXPECT_EQ(printable("a\x1b[2J\x7f\n"), "a?[2J??");
    EXPECT_EQ(printable("\xc2\x9b[2J"), "?[2J");
    EXPECT_EQ(printable("\xff\xc3\xa4\xe2\x82"), "?\xc3\xa4??");
}

} // namespace
} // namespace xvsock::transfer
