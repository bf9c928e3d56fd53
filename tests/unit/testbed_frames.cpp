// SPDX-License-Identifier: MIT
// The frames between dom0's agent and the testbed, and the plan that the agents read.
#include <stdexcept>

#include <gtest/gtest.h>

#include "common/frames.hpp"
#include "common/plan.hpp"

using namespace xvsock::testbed;

namespace {

TEST(testbed_frames, survive_any_cut) {
    const auto bytes =
        encode({frame_kind::console, "g1", std::string("a\0b", 3)}) + encode({frame_kind::archive, "g2", ""});
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        frame_decoder decoder;
        std::vector<frame> frames;
        for (const auto& piece : {bytes.substr(0, cut), bytes.substr(cut)}) {
            decoder.feed(piece);
            while (auto one = decoder.next())
                frames.push_back(*one);
        }
        ASSERT_EQ(frames.size(), 2U) << cut;
        EXPECT_EQ(frames[0].name, "g1");
        EXPECT_EQ(frames[0].payload, std::string("a\0b", 3));
        EXPECT_EQ(frames[1].kind, frame_kind::archive);
    }
}

TEST(testbed_frames, garbage_is_refused) {
    frame_decoder decoder;
    decoder.feed("hello world");
    EXPECT_THROW(decoder.next(), std::runtime_error);
    EXPECT_THROW(encode({frame_kind::log, std::string(256, 'x'), ""}), std::length_error);
    EXPECT_THROW(encode({frame_kind::log, "", std::string(frame::max_payload + 1, 'x')}), std::length_error);
}

TEST(testbed_plan, survives_json) {
    run_plan plan;
    plan.mode = "virtual";
    plan.debug_kernel = true;
    plan.slowness = 5;
    plan.guests = {{"g1", 2, 128, true, false, true, "quiet", {"maxvcpus = 4"}}};
    plan.links = {{"dom0", "g1"}};
    plan.environment = {{"KEY", "value"}};
    plan.wait_for = {"g1"};
    EXPECT_EQ(plan_from_json(to_json(plan)), plan);
}

} // namespace
