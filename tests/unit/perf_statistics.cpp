// SPDX-License-Identifier: MIT
#include "perf/pattern.hpp"
#include "perf/statistics.hpp"

#include <gtest/gtest.h>
#include <numeric>
#include <stdexcept>

namespace xvsock::perf {
namespace {

std::vector<std::int64_t> one_to(std::int64_t last) {
    std::vector<std::int64_t> values(static_cast<std::size_t>(last));
    std::iota(values.begin(), values.end(), 1);
    return values;
}

TEST(percentile, nearest_rank) {
    const auto thousand = one_to(1000);
    EXPECT_EQ(percentile(thousand, 0), 1);
    EXPECT_EQ(percentile(thousand, 50), 500);
    EXPECT_EQ(percentile(thousand, 99), 990);
    EXPECT_EQ(percentile(thousand, 99.9), 999);
    EXPECT_EQ(percentile(thousand, 100), 1000);
    // The published example of the nearest-rank method.
    const std::vector<std::int64_t> five{15, 20, 35, 40, 50};
    EXPECT_EQ(percentile(five, 5), 15);
    EXPECT_EQ(percentile(five, 30), 20);
    EXPECT_EQ(percentile(five, 40), 20);
    EXPECT_EQ(percentile(five, 50), 35);
}

TEST(percentile, few_samples) {
    EXPECT_EQ(percentile({7}, 0), 7);
    EXPECT_EQ(percentile({7}, 99.9), 7);
    EXPECT_EQ(percentile(one_to(10), 99), 10);
    EXPECT_EQ(percentile(one_to(3), 50), 2);
}

TEST(percentile, nonsense_is_refused) {
    EXPECT_THROW(percentile({}, 50), std::invalid_argument);
    EXPECT_THROW(percentile({1}, -1), std::invalid_argument);
    EXPECT_THROW(percentile({1}, 100.1), std::invalid_argument);
}

TEST(pattern, pieces_of_any_size_make_the_same_data) {
    const pattern data(42);
    std::vector<std::byte> whole(1000);
    data.fill(0, whole);
    for (const std::size_t piece : {1, 3, 7, 8, 9, 64, 999}) {
        std::vector<std::byte> joined(whole.size());
        for (std::size_t at = 0; at < joined.size(); at += piece)
            data.fill(at, std::span(joined).subspan(at, std::min(piece, joined.size() - at)));
        EXPECT_EQ(joined, whole) << "pieces of " << piece;
    }
}

TEST(pattern, every_flipped_bit_is_found) {
    const pattern data(43);
    constexpr std::uint64_t offset = 5; // not at a word's start
    std::vector<std::byte> bytes(41);
    data.fill(offset, bytes);
    EXPECT_FALSE(data.check(offset, bytes));
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        for (int bit = 0; bit < 8; ++bit) {
            const auto good = bytes[at];
            bytes[at] ^= std::byte(1 << bit);
            EXPECT_EQ(data.check(offset, bytes),
                      (mismatch{offset + at, std::uint8_t(good), std::uint8_t(bytes[at])}));
            bytes[at] = good;
        }
    }
}

TEST(pattern, shifted_or_foreign_data_is_found) {
    std::vector<std::byte> bytes(64);
    pattern(1).fill(0, bytes);
    EXPECT_TRUE(pattern(1).check(1, bytes));
    EXPECT_TRUE(pattern(1).check(64, bytes));
    EXPECT_TRUE(pattern(2).check(0, bytes));
    EXPECT_TRUE(pattern(~std::uint64_t{1}).check(0, bytes));
}

} // namespace
} // namespace xvsock::perf
