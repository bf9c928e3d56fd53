// SPDX-License-Identifier: MIT
#include "perf/quantity.hpp"

#include <gtest/gtest.h>
#include <stdexcept>

namespace xvsock::perf {
namespace {

TEST(quantity, sizes_with_and_without_suffix) {
    EXPECT_EQ(parse_size("0"), 0u);
    EXPECT_EQ(parse_size("1500"), 1500u);
    EXPECT_EQ(parse_size("4K"), 4096u);
    EXPECT_EQ(parse_size("4k"), 4096u);
    EXPECT_EQ(parse_size("1M"), 1048576u);
    EXPECT_EQ(parse_size("2G"), 2147483648u);
}

TEST(quantity, bad_sizes_are_refused) {
    for (const char* text : {"", "K", "-1", "+1", "1.5K", "1KB", "1 K", "0x10", "1T", "99999999999999999999",
                             "18446744073709551615G", "9007199254740992K"})
        EXPECT_THROW(parse_size(text), std::invalid_argument) << text;
}

TEST(quantity, message_sizes_keep_their_order) {
    EXPECT_EQ(parse_message_sizes("64K,1,1M"), (std::vector<std::uint32_t>{65536, 1, 1048576}));
    EXPECT_EQ(parse_message_sizes("64M"), (std::vector<std::uint32_t>{64 << 20}));
}

TEST(quantity, bad_message_sizes_are_refused) {
    for (const char* text : {"", ",", "1,", ",1", "1,,2", "0", "65M", "67108865", "1;2"})
        EXPECT_THROW(parse_message_sizes(text), std::invalid_argument) << text;
}

TEST(quantity, seconds_with_fractions) {
    EXPECT_EQ(parse_seconds("0.25", "seconds"), std::chrono::milliseconds(250));
    EXPECT_EQ(parse_seconds("3", "seconds"), std::chrono::seconds(3));
    for (const char* text : {"", "x", "-1", "0", "1s", "nan", "inf", "86401"})
        EXPECT_THROW(parse_seconds(text, "seconds"), std::invalid_argument) << text;
}

TEST(quantity, numbers_are_bounded) {
    EXPECT_EQ(parse_number("7", "count", 7), 7u);
    EXPECT_THROW(parse_number("8", "count", 7), std::invalid_argument);
    EXPECT_THROW(parse_number("18446744073709551616", "count"), std::invalid_argument);
    EXPECT_THROW(parse_number("", "count"), std::invalid_argument);
    EXPECT_THROW(parse_number("-1", "count"), std::invalid_argument);
}

TEST(quantity, format_size_is_what_parse_size_reads) {
    for (const std::uint64_t size : {0ull, 1ull, 1500ull, 1024ull, 65536ull, 1ull << 20, 3ull << 30})
        EXPECT_EQ(parse_size(format_size(size)), size);
    EXPECT_EQ(format_size(65536), "64K");
    EXPECT_EQ(format_size(1500), "1500");
}

} // namespace
} // namespace xvsock::perf
