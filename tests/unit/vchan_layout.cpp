// SPDX-License-Identifier: MIT
// The shared page: offsets against libxenvchan's own header and against the C compiler, and which pairs of
// ring orders it can hold.
#include <vchan/layout.h>

#include <libxenvchan.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>

#include "vchan_freestanding.h"

namespace {

TEST(vchan_layout, matches_libxenvchan) {
    EXPECT_EQ(sizeof(vchan_indices), sizeof(ring_shared));
    EXPECT_EQ(offsetof(vchan_indices, cons), offsetof(ring_shared, cons));
    EXPECT_EQ(offsetof(vchan_indices, prod), offsetof(ring_shared, prod));

    EXPECT_EQ(sizeof(vchan_page), sizeof(vchan_interface));
#define EXPECT_SAME_FIELD(field)                                                                             \
    EXPECT_EQ(offsetof(vchan_page, field), offsetof(vchan_interface, field));                                \
    EXPECT_EQ(sizeof(vchan_page::field), sizeof(vchan_interface::field))
    EXPECT_SAME_FIELD(left);
    EXPECT_SAME_FIELD(right);
    EXPECT_SAME_FIELD(left_order);
    EXPECT_SAME_FIELD(right_order);
    EXPECT_SAME_FIELD(cli_live);
    EXPECT_SAME_FIELD(srv_live);
    EXPECT_SAME_FIELD(cli_notify);
    EXPECT_SAME_FIELD(srv_notify);
#undef EXPECT_SAME_FIELD
    EXPECT_EQ(offsetof(vchan_page, grants), offsetof(vchan_interface, grants));
    EXPECT_EQ(sizeof(*vchan_page::grants), sizeof(*vchan_interface::grants));
}

TEST(vchan_layout, same_offsets_in_c) {
    EXPECT_EQ(vchan_c_offsets.left_cons, offsetof(vchan_page, left.cons));
    EXPECT_EQ(vchan_c_offsets.left_prod, offsetof(vchan_page, left.prod));
    EXPECT_EQ(vchan_c_offsets.right_cons, offsetof(vchan_page, right.cons));
    EXPECT_EQ(vchan_c_offsets.right_prod, offsetof(vchan_page, right.prod));
    EXPECT_EQ(vchan_c_offsets.left_order, offsetof(vchan_page, left_order));
    EXPECT_EQ(vchan_c_offsets.right_order, offsetof(vchan_page, right_order));
    EXPECT_EQ(vchan_c_offsets.cli_live, offsetof(vchan_page, cli_live));
    EXPECT_EQ(vchan_c_offsets.srv_live, offsetof(vchan_page, srv_live));
    EXPECT_EQ(vchan_c_offsets.cli_notify, offsetof(vchan_page, cli_notify));
    EXPECT_EQ(vchan_c_offsets.srv_notify, offsetof(vchan_page, srv_notify));
    EXPECT_EQ(vchan_c_offsets.grants, offsetof(vchan_page, grants));
}

TEST(vchan_layout, header_works_from_c) {
    for (const uint32_t n : {1u, 512u, 1024u}) {
        vchan_page page{};
        EXPECT_TRUE(vchan_c_round_trip(&page, n)) << n << " bytes";
        EXPECT_EQ(page.left.prod, n);
        EXPECT_EQ(page.left.cons, n);
    }
    vchan_page page{};
    EXPECT_FALSE(vchan_c_round_trip(&page, 1025)) << "more than the ring holds";
}

TEST(vchan_layout, ring_pages_of_every_order) {
    const std::map<uint32_t, uint32_t> pages{{10, 0},  {11, 0},  {12, 1},  {13, 2},   {14, 4},  {15, 8},
                                             {16, 16}, {17, 32}, {18, 64}, {19, 128}, {20, 256}};
    for (const auto& [order, expected] : pages)
        EXPECT_EQ(vchan_ring_pages(order), expected) << "order " << order;
}

TEST(vchan_layout, inpage_offsets) {
    EXPECT_EQ(vchan_inpage_offset(10), 1024u);
    EXPECT_EQ(vchan_inpage_offset(11), 2048u);
    for (uint32_t order = 0; order <= 40; ++order) {
        if (order != 10 && order != 11) {
            EXPECT_EQ(vchan_inpage_offset(order), 0u) << "order " << order;
        }
    }
}

// The wide layout: what one side writes often is 128 bytes away from all else that changes, and clear of what
// stays where libxenvchan has it and of the in-page rings.
TEST(vchan_layout, wide_words_are_apart) {
    alignas(VCHAN_PAGE_SIZE) std::array<uint8_t, VCHAN_PAGE_SIZE> bytes{};
    const auto words = vchan_words_of(reinterpret_cast<vchan_page*>(bytes.data()), VCHAN_LAYOUT_WIDE);
    const auto offset = [&](const void* at) {
        return static_cast<size_t>(static_cast<const uint8_t*>(at) - bytes.data());
    };
    const std::map<size_t, size_t> sizes{
        {0, sizeof(vchan_page) + VCHAN_WIDE_GRANTS * sizeof(uint32_t)},
        {VCHAN_WIDE_FREE, 128},
        {offset(words.left.prod), sizeof(uint32_t)},
        {offset(words.left.cons), sizeof(uint32_t)},
        {offset(words.right.prod), sizeof(uint32_t)},
        {offset(words.right.cons), sizeof(uint32_t)},
        {offset(words.cli_notify), sizeof(uint8_t)},
        {offset(words.srv_notify), sizeof(uint8_t)},
    };
    ASSERT_EQ(sizes.size(), 8u) << "no two are in one place";
    size_t previous = 0;
    for (const auto& [at, size] : sizes) {
        EXPECT_EQ(at % 128, 0u);
        EXPECT_LE(size, 128u);
        EXPECT_TRUE(at == 0 || at > previous);
        previous = at;
    }
    EXPECT_LE(previous + 128, VCHAN_OFFSET_SMALL);
}

TEST(vchan_layout, words_of_libxenvchan) {
    vchan_page page{};
    const auto words = vchan_words_of(&page, VCHAN_LAYOUT_XEN);
    EXPECT_EQ(words.left.cons, &page.left.cons);
    EXPECT_EQ(words.left.prod, &page.left.prod);
    EXPECT_EQ(words.right.cons, &page.right.cons);
    EXPECT_EQ(words.right.prod, &page.right.prod);
    EXPECT_EQ(words.cli_notify, &page.cli_notify);
    EXPECT_EQ(words.srv_notify, &page.srv_notify);
}

// Lays the page out byte by byte, which is what vchan_orders_valid() has to agree with: every byte of the
// page belongs to at most one of header, grant references, left ring and right ring.
bool page_holds(uint32_t left, uint32_t right) {
    if (std::min(left, right) < 10 || std::max(left, right) > 20)
        return false;
    std::array<int, 4096> users{};
    const auto use = [&](size_t offset, size_t length) {
        for (size_t i = offset; i < offset + length; ++i) {
            if (i >= users.size() || ++users[i] > 1)
                return false;
        }
        return true;
    };
    bool fits = use(0, 24);
    size_t references = 0;
    for (const uint32_t order : {left, right}) {
        if (order == 10)
            fits = use(1024, 1024) && fits;
        else if (order == 11)
            fits = use(2048, 2048) && fits;
        else
            references += (size_t{1} << order) / 4096;
    }
    return use(24, 4 * references) && fits;
}

TEST(vchan_layout, orders_valid_for_every_pair) {
    uint32_t valid = 0;
    for (uint32_t left = 0; left <= 40; ++left) {
        for (uint32_t right = 0; right <= 40; ++right) {
            EXPECT_EQ(vchan_orders_valid(left, right), page_holds(left, right)) << left << ", " << right;
            valid += vchan_orders_valid(left, right);
        }
    }
    // of the 11 x 11 pairs in range, two share an in-page ring and two let the references run into one
    EXPECT_EQ(valid, 11u * 11 - 4);
    EXPECT_FALSE(vchan_orders_valid(10, 10));
    EXPECT_FALSE(vchan_orders_valid(11, 11));
    EXPECT_FALSE(vchan_orders_valid(10, 20));
    EXPECT_FALSE(vchan_orders_valid(20, 10));
    EXPECT_TRUE(vchan_orders_valid(10, 11));
    EXPECT_TRUE(vchan_orders_valid(20, 20));
}

TEST(vchan_layout, absurd_orders_refused) {
    for (const uint32_t absurd : {0u, 9u, 21u, 32u, 44u, 64u, 0x8000'0000u, 0xffff'ffffu}) {
        for (const uint32_t other : {10u, 11u, 12u, 20u, absurd}) {
            EXPECT_FALSE(vchan_orders_valid(absurd, other)) << absurd << ", " << other;
            EXPECT_FALSE(vchan_orders_valid(other, absurd)) << other << ", " << absurd;
        }
    }
}

} // namespace
