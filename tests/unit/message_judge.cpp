// SPDX-License-Identifier: MIT
// Which control messages are well-formed, as docs/protocol.md has it, and what the others do to their link.
#include "message_samples.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>

extern "C" xvsock_verdict message_c_judge(const xvsock_message* message);

namespace xvsock::message_test {

namespace {

constexpr xvsock_op all_ops[] = {XVSOCK_OP_REQUEST,      XVSOCK_OP_RESPONSE, XVSOCK_OP_RESET,
                                 XVSOCK_OP_WANT,         XVSOCK_OP_GROW,     XVSOCK_OP_GROWN,
                                 XVSOCK_OP_RELEASE,      XVSOCK_OP_RELEASED, XVSOCK_OP_LIVE_INITIATOR,
                                 XVSOCK_OP_LIVE_ACCEPTOR};
/// About a vchan that no connection uses, so there is no id.
constexpr xvsock_op vchan_ops[] = {XVSOCK_OP_RELEASE, XVSOCK_OP_RELEASED};
constexpr xvsock_op growth_ops[] = {XVSOCK_OP_WANT, XVSOCK_OP_GROW, XVSOCK_OP_GROWN};

/// What a message that is not well-formed comes to.
xvsock_verdict bad(xvsock_op op) {
    return op == XVSOCK_OP_REQUEST ? XVSOCK_VERDICT_REFUSE : XVSOCK_VERDICT_BREAK;
}

xvsock_verdict judge(const xvsock_message& message) {
    EXPECT_EQ(message_c_judge(&message), xvsock_message_judge(&message));
    return xvsock_message_judge(&message);
}

class every_op : public testing::TestWithParam<xvsock_op> {};

TEST_P(every_op, well_formed_is_good) {
    EXPECT_EQ(judge(sample(GetParam())), XVSOCK_VERDICT_GOOD);
}

TEST_P(every_op, every_other_version_ends_the_link) {
    for (unsigned version = 0; version < 256; ++version) {
        auto message = sample(GetParam());
        message.version = static_cast<uint8_t>(version);
        EXPECT_EQ(judge(message), version == 1 ? XVSOCK_VERDICT_GOOD : XVSOCK_VERDICT_VERSION) << version;
    }
}

TEST_P(every_op, id_0_is_no_connection) {
    const bool of_vchan = std::ranges::find(vchan_ops, GetParam()) != std::end(vchan_ops);
    auto message = sample(GetParam());
    message.id = 0;
    EXPECT_EQ(judge(message), of_vchan ? XVSOCK_VERDICT_GOOD : bad(GetParam()));
    message.id = 0xffff'ffff;
    EXPECT_EQ(judge(message), of_vchan ? bad(GetParam()) : XVSOCK_VERDICT_GOOD);
}

TEST_P(every_op, fields_of_other_ops_are_0) {
    struct field {
        std::function<void(xvsock_message&, uint32_t)> set;
        std::set<int> used_in; // ops
    };
    const std::map<std::string, field> fields{
        {"type", {[](auto& m, uint32_t v) { m.type = static_cast<uint16_t>(v); }, {1}}},
        {"src_port", {[](auto& m, uint32_t v) { m.src_port = v; }, {1}}},
        {"dst_port", {[](auto& m, uint32_t v) { m.dst_port = v; }, {1}}},
        {"ring_ref", {[](auto& m, uint32_t v) { m.ring_ref = v; }, {1, 3, 5, 7, 8}}},
        {"event_channel", {[](auto& m, uint32_t v) { m.event_channel = v; }, {1}}},
        {"left_order", {[](auto& m, uint32_t v) { m.left_order = static_cast<uint16_t>(v); }, {1, 4, 5, 6}}},
        {"right_order",
         {[](auto& m, uint32_t v) { m.right_order = static_cast<uint16_t>(v); }, {1, 4, 5, 6}}},
        {"reason", {[](auto& m, uint32_t v) { m.reason = v; }, {3, 5, 6, 9, 10}}},
    };
    for (const auto& [name, field] : fields) {
        if (field.used_in.contains(GetParam()))
            continue;
        // the first and the last bit that any of them has
        for (const uint32_t value : {1u, 0x8000u, 0xffff'ffffu}) {
            auto message = sample(GetParam());
            field.set(message, value);
            EXPECT_EQ(judge(message), bad(GetParam())) << name << " = " << value;
        }
    }
}

std::string name_of(const testing::TestParamInfo<xvsock_op>& op) {
    constexpr const char* names[] = {"",      "REQUEST", "RESPONSE", "RESET",          "WANT",         "GROW",
                                     "GROWN", "RELEASE", "RELEASED", "LIVE_INITIATOR", "LIVE_ACCEPTOR"};
    return names[op.param];
}

INSTANTIATE_TEST_SUITE_P(message_judge, every_op, testing::ValuesIn(all_ops), name_of);

TEST(message_judge, unknown_ops_end_the_link) {
    for (unsigned op = 0; op < 256; ++op) {
        if (op >= 1 && op <= 10)
            continue;
        auto message = request();
        message.op = static_cast<uint8_t>(op);
        EXPECT_EQ(judge(message), XVSOCK_VERDICT_OP) << op;
    }
}

TEST(message_judge, a_live_byte_is_a_byte) {
    for (const auto op : {XVSOCK_OP_LIVE_INITIATOR, XVSOCK_OP_LIVE_ACCEPTOR}) {
        auto message = sample(op);
        message.reason = 0xff;
        EXPECT_EQ(judge(message), XVSOCK_VERDICT_GOOD);
        message.reason = 0x100;
        EXPECT_EQ(judge(message), XVSOCK_VERDICT_BREAK);
    }
}

TEST(message_judge, a_request_is_for_a_stream) {
    for (unsigned type = 0; type <= 0xffff; ++type) {
        auto message = request();
        message.type = static_cast<uint16_t>(type);
        ASSERT_EQ(judge(message), type == 1 ? XVSOCK_VERDICT_GOOD : XVSOCK_VERDICT_REFUSE) << type;
    }
}

TEST(message_judge, a_request_names_two_ports) {
    for (const auto port : {&xvsock_message::src_port, &xvsock_message::dst_port}) {
        auto message = request();
        message.*port = 0xffff'ffff; // VMADDR_PORT_ANY
        EXPECT_EQ(judge(message), XVSOCK_VERDICT_REFUSE);
        for (const uint32_t fine : {0u, 1023u, 0x8000'0000u, 0xffff'fffeu}) {
            message.*port = fine;
            EXPECT_EQ(judge(message), XVSOCK_VERDICT_GOOD) << fine;
        }
    }
}

TEST(message_judge, a_request_begins_with_the_small_rings) {
    for (unsigned left = 0; left < 64; ++left)
        for (unsigned right = 0; right < 64; ++right) {
            auto message = request();
            message.left_order = static_cast<uint16_t>(left);
            message.right_order = static_cast<uint16_t>(right);
            ASSERT_EQ(judge(message), left == 10 && right == 11 ? XVSOCK_VERDICT_GOOD : XVSOCK_VERDICT_REFUSE)
                << left << ' ' << right;
        }
}

TEST(message_judge, growth_is_of_one_direction_to_a_large_ring) {
    for (const auto op : growth_ops)
        for (unsigned left = 0; left < 64; ++left)
            for (unsigned right = 0; right < 64; ++right) {
                auto message = later(op);
                message.left_order = static_cast<uint16_t>(left);
                message.right_order = static_cast<uint16_t>(right);
                const bool good = (left == 0) != (right == 0) && left + right >= 12 && left + right <= 20;
                ASSERT_EQ(judge(message), good ? XVSOCK_VERDICT_GOOD : XVSOCK_VERDICT_BREAK)
                    << op << ' ' << left << ' ' << right;
            }
}

TEST(message_judge, no_order_is_cut_to_a_byte) {
    for (const auto op : growth_ops) {
        auto message = later(op);
        message.right_order = 0x100 + 18;
        EXPECT_EQ(judge(message), XVSOCK_VERDICT_BREAK);
        message.right_order = 18;
        message.left_order = 0x100;
        EXPECT_EQ(judge(message), XVSOCK_VERDICT_BREAK);
    }
}

TEST(message_judge, a_ring_that_there_is_not_has_no_grant) {
    auto message = later(XVSOCK_OP_GROW);
    message.reason = XVSOCK_REASON_LIMIT;
    EXPECT_EQ(judge(message), XVSOCK_VERDICT_BREAK);
    message.ring_ref = 0;
    EXPECT_EQ(judge(message), XVSOCK_VERDICT_GOOD);
}

TEST(message_judge, a_release_names_a_vchan) {
    for (const auto op : vchan_ops) {
        auto message = later(op);
        message.ring_ref = 0;
        EXPECT_EQ(judge(message), XVSOCK_VERDICT_BREAK);
    }
}

TEST(message_judge, the_end_of_a_connection_may_keep_its_vchan) {
    for (const uint32_t ref : {0u, 8u, 0xffff'ffffu}) {
        auto message = later(XVSOCK_OP_RESET);
        message.ring_ref = ref;
        EXPECT_EQ(judge(message), XVSOCK_VERDICT_GOOD) << ref;
    }
}

TEST(message_judge, reasons_may_be_news) {
    for (const auto op : {XVSOCK_OP_RESET, XVSOCK_OP_GROWN})
        for (const uint32_t reason : {0u, 1u, 4u, 5u, 0xffff'ffffu}) {
            auto message = later(op);
            message.reason = reason;
            EXPECT_EQ(judge(message), XVSOCK_VERDICT_GOOD) << op << ' ' << reason;
        }
}

} // namespace

} // namespace xvsock::message_test
