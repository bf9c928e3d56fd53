// SPDX-License-Identifier: MIT
// How control messages come out of their ring: whole, in order, from every place in it, and never from an
// index that cannot be.
#include "message_samples.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace xvsock::message_test {

namespace {

class control_ring : public testing::TestWithParam<uint32_t> {
protected:
    control_ring() : bytes_(size_t{1} << GetParam()) { begin_at(0); }

    void begin_at(uint32_t index) {
        vchan_end_init(&reader_, {.cons = &indices_.cons, .prod = &indices_.prod}, GetParam());
        reader_.index = indices_.cons = indices_.prod = index;
    }

    void put(const xvsock_message& message) {
        for (size_t i = 0; i < sizeof message; ++i)
            bytes_[(indices_.prod + i) % bytes_.size()] = reinterpret_cast<const uint8_t*>(&message)[i];
        indices_.prod += XVSOCK_MESSAGE_SIZE;
    }

    bool take(xvsock_message& message, bool& taken) {
        return xvsock_message_take(&reader_, bytes_.data(), &message, &taken);
    }

    void expect_next(const xvsock_message& expected) {
        xvsock_message message{};
        bool taken = false;
        ASSERT_TRUE(take(message, taken));
        ASSERT_TRUE(taken);
        EXPECT_EQ(std::memcmp(&message, &expected, sizeof message), 0);
    }

    void expect_nothing(bool valid = true) {
        xvsock_message message = request();
        const auto before = indices_;
        bool taken = true;
        EXPECT_EQ(take(message, taken), valid);
        EXPECT_FALSE(taken);
        const auto untouched = request();
        EXPECT_EQ(std::memcmp(&message, &untouched, sizeof message), 0);
        EXPECT_EQ(indices_.cons, before.cons);
        EXPECT_EQ(reader_.index, before.cons);
    }

    std::vector<uint8_t> bytes_;
    vchan_indices indices_{};
    vchan_end reader_{};
};

TEST_P(control_ring, from_every_place_and_across_2_to_the_32) {
    const auto size = static_cast<uint32_t>(bytes_.size());
    for (const uint32_t base : {0u, 0x8000'0000u - size, 0u - size})
        for (uint32_t at = 0; at <= size; at += XVSOCK_MESSAGE_SIZE) {
            begin_at(base + at);
            auto message = request();
            message.id = at + 1;
            put(message);
            expect_next(message);
            EXPECT_EQ(indices_.cons, base + at + XVSOCK_MESSAGE_SIZE);
            expect_nothing();
        }
}

TEST_P(control_ring, as_many_as_fit_in_order) {
    const auto fit = static_cast<uint32_t>(bytes_.size()) / XVSOCK_MESSAGE_SIZE;
    begin_at(5 * XVSOCK_MESSAGE_SIZE);
    for (uint32_t i = 0; i < fit; ++i) {
        auto message = later(XVSOCK_OP_RESET);
        message.id = i + 1;
        put(message);
    }
    for (uint32_t i = 0; i < fit; ++i) {
        auto message = later(XVSOCK_OP_RESET);
        message.id = i + 1;
        expect_next(message);
    }
    expect_nothing();
}

TEST_P(control_ring, a_part_is_none) {
    for (uint32_t part = 0; part < XVSOCK_MESSAGE_SIZE; ++part) {
        begin_at(64);
        put(request());
        indices_.prod = 64 + part;
        expect_nothing();
    }
}

TEST_P(control_ring, an_impossible_index_is_refused) {
    const auto size = static_cast<uint32_t>(bytes_.size());
    for (const uint32_t ahead :
         {size + 1, size + XVSOCK_MESSAGE_SIZE, 0x7fff'ffffu, 0x8000'0000u, 0u - 32, 0u - 1}) {
        begin_at(96);
        indices_.prod = 96 + ahead;
        expect_nothing(false);
    }
}

TEST_P(control_ring, what_comes_later_does_not_count) {
    put(request());
    xvsock_message message{};
    bool taken = false;
    ASSERT_TRUE(take(message, taken));
    std::ranges::fill(bytes_, 0xff);
    const auto expected = request();
    EXPECT_EQ(std::memcmp(&message, &expected, sizeof message), 0);
}

INSTANTIATE_TEST_SUITE_P(message_take, control_ring,
                         testing::Values(XVSOCK_CONTROL_LEFT_ORDER, XVSOCK_CONTROL_RIGHT_ORDER));

TEST(message_take, the_offsets_are_the_wire_s) {
    constexpr std::array<uint8_t, XVSOCK_MESSAGE_SIZE> wire{
        1, 1, 1, 0, 7, 0, 0, 0, 1, 4, 0, 0, 80, 0, 0, 0, 89, 1, 0, 0, 21, 0, 0, 0, 10, 0, 11, 0, 0, 0, 0, 0};
    const auto expected = request();
    EXPECT_EQ(std::memcmp(wire.data(), &expected, wire.size()), 0);
}

} // namespace

} // namespace xvsock::message_test
