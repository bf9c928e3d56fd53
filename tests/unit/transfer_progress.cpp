// SPDX-License-Identifier: MIT
#include "transfer/progress.hpp"
#include "transfer/report.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

namespace xvsock::transfer {
namespace {

constexpr std::uint64_t mib = 1 << 20;

TEST(transfer_progress, sizes) {
    EXPECT_EQ(format_bytes(0), "0 B");
    EXPECT_EQ(format_bytes(1023), "1023 B");
    EXPECT_EQ(format_bytes(1536), "1.5 KiB");
    EXPECT_EQ(format_bytes(5.0 * 1024 * mib), "5.0 GiB");
}

TEST(transfer_progress, a_line_on_the_way) {
    EXPECT_EQ(format_progress("large", 50 * mib, 100 * mib, 50 * mib, 5),
              "large             50% [########        ]   50.0 MiB   10.0 MiB/s ETA 0:05");
}

TEST(transfer_progress, the_rate_is_of_what_has_moved) {
    EXPECT_EQ(format_progress("large", 50 * mib, 100 * mib, 10 * mib, 5),
              "large             50% [########        ]   50.0 MiB    2.0 MiB/s ETA 0:25");
}

TEST(transfer_progress, the_begin_and_the_end) {
    EXPECT_EQ(format_progress("f", 0, 1000, 0, 0),
              "f                  0% [                ]        0 B        0 B/s ETA --:--");
    EXPECT_EQ(format_progress("f", 1000, 1000, 1000, 3700),
              "f                100% [################]     1000 B        0 B/s 1:01:40");
    EXPECT_EQ(format_progress("f", 0, 0, 0, 0),
              "f                100% [################]        0 B        0 B/s 0:00");
}

TEST(transfer_progress, is_not_complete_before_it_is) {
    EXPECT_NE(format_progress("f", 9'999'999, 10'000'000, 1, 1).find(" 99% [############### ]"),
              std::string::npos);
}

TEST(transfer_report, as_text) {
    outcome result;
    result.name = "large";
    result.size = 10 * mib;
    result.seconds = 2;
    EXPECT_EQ(format_outcome("g1", result), "g1: large: 10485760 bytes in 2.00 s, 5.0 MiB/s\n");
    result.resumed = 4 * mib;
    EXPECT_EQ(format_outcome("g1", result),
              "g1: large: 10485760 bytes in 2.00 s, 3.0 MiB/s, 4194304 of them were there before\n");
    result.problem = "refused: it exists already";
    EXPECT_EQ(format_outcome("g1", result), "g1: large: refused: it exists already\n");
}

TEST(transfer_report, as_json) {
    outcome result;
    result.name = "large";
    result.size = 10;
    auto line = boost::json::parse(format_outcome_json("g1", result));
    EXPECT_EQ(line.at("file"), "large");
    EXPECT_EQ(line.at("bytes").as_int64(), 10);
    EXPECT_EQ(line.at("sha256").as_string().size(), 64U);
    result.problem = "why";
    line = boost::json::parse(format_outcome_json("g1", result));
    EXPECT_EQ(line.at("error"), "why");
    EXPECT_FALSE(line.as_object().contains("sha256"));
}

} // namespace
} // namespace xvsock::transfer
