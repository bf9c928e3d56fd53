// SPDX-License-Identifier: MIT
// The ports that dom0 lets a peer connect to, as the module reads them.
#include <vsock_transport/ports.h>

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace {

struct reading {
    xvsock_ports ports{};
    std::string wrong;
    std::string where;

    bool has(std::uint32_t port) const { return xvsock_ports_have(&ports, port); }
};

reading read(const std::string& text) {
    reading result;
    result.ports.count = 7; // whatever was there before
    const char* where = "";
    if (const char* wrong = xvsock_ports_parse(&result.ports, text.c_str(), &where)) {
        result.wrong = wrong;
        result.where = where;
    }
    return result;
}

TEST(policy_ports, any_and_none) {
    const auto any = read("any"), none = read("none");
    EXPECT_EQ(any.wrong, "");
    EXPECT_EQ(none.wrong, "");
    for (const std::uint32_t port : {0U, 1U, 65536U, 0xfffffffeU, 0xffffffffU}) {
        EXPECT_TRUE(any.has(port)) << port;
        EXPECT_FALSE(none.has(port)) << port;
    }
}

TEST(policy_ports, ports_and_ranges_in_any_order) {
    const auto some = read("1000-2000,22,80,443");
    EXPECT_EQ(some.wrong, "");
    for (const std::uint32_t port : {22U, 80U, 443U, 1000U, 1500U, 2000U})
        EXPECT_TRUE(some.has(port)) << port;
    for (const std::uint32_t port : {0U, 21U, 23U, 81U, 999U, 2001U, 0xffffffffU})
        EXPECT_FALSE(some.has(port)) << port;
}

TEST(policy_ports, the_ends_of_the_numbers) {
    const auto ends = read("0,4294967295");
    EXPECT_TRUE(ends.has(0));
    EXPECT_TRUE(ends.has(0xffffffffU));
    EXPECT_FALSE(ends.has(1));
    EXPECT_FALSE(ends.has(0xfffffffeU));
    EXPECT_EQ(read("4294967296").ports.count, 0U);
    EXPECT_NE(read("99999999999999999999999").wrong, "");
}

TEST(policy_ports, what_overlaps_is_one_range) {
    const auto one = read("10-20,15-30,12,30-31,5-40");
    EXPECT_EQ(one.ports.count, 1U);
    EXPECT_TRUE(one.has(5));
    EXPECT_TRUE(one.has(40));
    EXPECT_FALSE(one.has(41));
}

TEST(policy_ports, what_cannot_be_read_permits_nothing_and_is_named) {
    for (const std::string text :
         {"",     " ",      ",",      "22,",     ",22", "22,,80", "22, 80", " 22",
          "22 ",  "22\n",   "-",      "22-",     "-22", "80-22",  "1-2-3",  "+22",
          "0x16", "any,22", "22,any", "22,none", "Any", "anyone", "ssh",    "22;80"}) {
        const auto bad = read(text);
        EXPECT_NE(bad.wrong, "") << text;
        EXPECT_EQ(bad.ports.count, 0U) << text;
        EXPECT_FALSE(bad.has(22)) << text;
    }
    EXPECT_EQ(read("22,80x,443").where, "80x,443");
}

TEST(policy_ports, has_room_for_so_many_ranges_and_no_more) {
    std::string text = "1";
    for (unsigned i = 1; i < XVSOCK_PORT_RANGES; ++i)
        text += "," + std::to_string(1 + 2 * i);
    const auto full = read(text);
    EXPECT_EQ(full.wrong, "");
    EXPECT_EQ(full.ports.count, XVSOCK_PORT_RANGES);
    EXPECT_TRUE(full.has(2 * XVSOCK_PORT_RANGES - 1));
    EXPECT_FALSE(full.has(2));
    const auto more = read(text + ",100000");
    EXPECT_EQ(more.wrong, "one range too many");
    EXPECT_EQ(more.where, "100000");
    EXPECT_EQ(more.ports.count, 0U);
}

TEST(policy_ports, agree_with_a_search_from_end_to_end) {
    std::mt19937 random(1);
    for (unsigned round = 0; round < 2000; ++round) {
        std::vector<xvsock_port_range> ranges(1 + random() % 12);
        std::string text;
        for (auto& range : ranges) {
            range.first = random() % 100;
            range.last = range.first + random() % 10;
            text += (text.empty() ? "" : ",") + std::to_string(range.first);
            if (range.last != range.first || random() % 2 == 0)
                text += "-" + std::to_string(range.last);
        }
        const auto set = read(text);
        ASSERT_EQ(set.wrong, "") << text;
        for (std::uint32_t port = 0; port < 115; ++port) {
            bool wanted = false;
            for (const auto& range : ranges)
                wanted = wanted || (port >= range.first && port <= range.last);
            ASSERT_EQ(set.has(port), wanted) << text << ": " << port;
        }
    }
}

} // namespace
