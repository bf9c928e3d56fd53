// SPDX-License-Identifier: MIT
#include "perf/comparison.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <stdexcept>

namespace xvsock::perf {
namespace {

record make(const char* path, const char* metric, std::uint64_t bytes, double value,
            const char* mode = "wall") {
    const bool latency = std::string_view(metric).starts_with("latency");
    return {.path = path,
            .metric = metric,
            .bytes = bytes,
            .value = value,
            .unit = latency ? "us" : "Mbit/s",
            .mode = mode};
}

const std::vector<record> measured{
    make("vsock", "bandwidth", 65536, 8200), make("netfront", "bandwidth", 65536, 2000),
    make("vsock", "latency", 1, 40), make("netfront", "latency", 1, 100), make("vsock", "latency", 64, 41)};

bool passes(const char* condition, const std::vector<record>& records = measured) {
    return apply_check(parse_ratio_check(condition), records, "vsock", "netfront").passed;
}

TEST(comparison, conditions) {
    EXPECT_TRUE(passes("bandwidth@65536>=4"));
    EXPECT_TRUE(passes("bandwidth@64K>=4.1"));
    EXPECT_FALSE(passes("bandwidth@65536>4.1"));
    EXPECT_FALSE(passes("bandwidth@65536>=4.2"));
    EXPECT_TRUE(passes("latency@1<=0.4"));
    EXPECT_FALSE(passes("latency@1<0.4"));
    EXPECT_FALSE(passes("latency@1<=0.35"));
}

TEST(comparison, what_was_not_measured_fails) {
    EXPECT_FALSE(passes("latency@2<=1"));
    EXPECT_FALSE(passes("latency@64<=1")); // one path only
    EXPECT_FALSE(passes("jitter@1<=1"));
    EXPECT_FALSE(passes("latency@1<=1", {}));
}

TEST(comparison, a_condition_must_hold_in_every_mode) {
    auto records = measured;
    records.push_back(make("vsock", "latency", 1, 90, "virtual"));
    EXPECT_TRUE(passes("latency@1<=0.4", records)) << "a mode that did not measure both does not count";
    records.push_back(make("netfront", "latency", 1, 100, "virtual"));
    EXPECT_FALSE(passes("latency@1<=0.4", records));
}

TEST(comparison, bad_conditions_are_refused) {
    for (const char* text :
         {"", "latency", "latency@1", "latency@1=1", "@1>=1", "latency@>=1", "latency@x>=1",
          "latency@1>=", "latency@1>=x", "latency@1>=1x", "latency@1>=nan", "latency@1>==1"})
        EXPECT_THROW(parse_ratio_check(text), std::invalid_argument) << text;
}

TEST(comparison, the_table_has_the_baseline_first_and_the_ratio) {
    EXPECT_EQ(format_comparison(measured, "netfront"),
              "mode: wall\n"
              "metric     bytes  unit    netfront  vsock  vsock/netfront\n"
              "bandwidth  65536  Mbit/s      2000   8200          4.10 x\n"
              "latency        1  us         100.0  40.00           0.400\n"
              "latency       64  us             -  41.00               -\n");
}

TEST(comparison, without_the_baseline_there_are_no_ratios) {
    EXPECT_EQ(format_comparison({make("vsock", "latency", 1, 40)}, "netfront"),
              "mode: wall\n"
              "metric   bytes  unit  vsock\n"
              "latency      1  us    40.00\n");
}

TEST(comparison, as_json_has_each_row_its_ratios_and_the_checks) {
    const auto check = apply_check(parse_ratio_check("bandwidth@65536>=9"), measured, "vsock", "netfront");
    const auto root = boost::json::parse(format_comparison_json(measured, "netfront", {check}));
    const auto& rows = root.at("rows").as_array();
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[0].at("metric"), "bandwidth");
    EXPECT_EQ(rows[0].at("values").at("vsock").as_double(), 8200);
    EXPECT_EQ(rows[0].at("ratios").at("vsock").as_double(), 4.1);
    EXPECT_TRUE(rows[2].at("ratios").as_object().empty()) << "without the baseline's value there is no ratio";
    EXPECT_FALSE(root.at("checks").at(0).at("passed").as_bool());
}

} // namespace
} // namespace xvsock::perf
