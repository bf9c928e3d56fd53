// SPDX-License-Identifier: MIT
#include "ping/statistics.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

namespace xvsock::ping {
namespace {

using namespace std::chrono_literals;

statistics some() {
    statistics all;
    all.add(outcome::refused, 1ms);
    all.add(outcome::timed_out, 2000ms);
    all.add(outcome::connected, 3ms);
    all.add(outcome::failed, 0ms);
    all.add(outcome::refused, 2ms);
    return all;
}

TEST(ping_statistics, count_answers_of_both_kinds) {
    const auto all = some();
    EXPECT_EQ(all.sent(), 5U);
    EXPECT_EQ(all.answered(), 3U);
    EXPECT_EQ(all.connected(), 1U);
    EXPECT_EQ(all.refused(), 2U);
    EXPECT_DOUBLE_EQ(all.loss(), 40);
}

TEST(ping_statistics, are_of_the_answers_only) {
    const auto all = some();
    EXPECT_DOUBLE_EQ(all.min(), 1);
    EXPECT_DOUBLE_EQ(all.average(), 2);
    EXPECT_DOUBLE_EQ(all.max(), 3);
    EXPECT_NEAR(all.deviation(), 0.8165, 0.0001);
}

TEST(ping_statistics, keep_small_deviations_of_large_times) {
    statistics all;
    for (int i = 0; i < 1000; ++i)
        all.add(outcome::refused, 1'000'000ms + (i % 2 == 0 ? 1us : -1us));
    EXPECT_NEAR(all.deviation(), 0.001, 1e-6);
}

TEST(ping_statistics, as_text) {
    EXPECT_EQ(format_summary("g1:1", some()),
              "--- g1:1 ---\n5 sent, 3 answered (1 connected, 2 refused), 40% loss\n"
              "min/avg/max/mdev = 1.000/2.000/3.000/0.816 ms\n");
    statistics none;
    none.add(outcome::timed_out, 1s);
    EXPECT_EQ(format_summary("g1:1", none),
              "--- g1:1 ---\n1 sent, 0 answered (0 connected, 0 refused), 100% loss\n");
    EXPECT_EQ(statistics().loss(), 0);
}

TEST(ping_statistics, as_json) {
    const auto line = boost::json::parse(format_summary_json("g1:1", some()));
    EXPECT_EQ(line.at("peer"), "g1:1");
    EXPECT_EQ(line.at("sent").as_int64(), 5);
    EXPECT_EQ(line.at("loss_percent").as_double(), 40);
    EXPECT_EQ(line.at("avg_ms").as_double(), 2);
    EXPECT_FALSE(boost::json::parse(format_summary_json("g1:1", {})).as_object().contains("avg_ms"));
}

} // namespace
} // namespace xvsock::ping
