// SPDX-License-Identifier: MIT
// Sets of ports against a bitmap of few ports, and their text.
#include "daemon/port_set.hpp"
#include <vsock_transport/ports.h>

#include <array>
#include <gtest/gtest.h>
#include <random>

namespace xvsock::peer {
namespace {

TEST(policy_ports, texts) {
    for (const auto& [text, shown] :
         std::vector<std::pair<std::string, std::string>>{{"22", "22"},
                                                          {"1-1023,5000", "1-1023,5000"},
                                                          {"5000,1-1023", "1-1023,5000"},
                                                          {"1-5,6", "1-6"},
                                                          {"1-5,3-9,9,8", "1-9"},
                                                          {"0-4294967295", "any"},
                                                          {"0,4294967295", "0,4294967295"},
                                                          {"0-7,8-4294967295", "any"},
                                                          {"7-7", "7"}})
        EXPECT_EQ(to_string(parse_port_set(text)), shown) << text;
    EXPECT_EQ(to_string(port_set{}), "none");
    for (const char* text : {"", ",", "22,", ",22", "-", "1-", "-1", "2-1", "4294967296", "x", "22 ", "0x16",
                             "1--2", "1-2-3", "any", "+1"})
        EXPECT_THROW(parse_port_set(text), port_set_error) << text;
}

// Ports at both ends of the numbers, where a range could wrap.
std::uint32_t place(unsigned i) {
    return i < 8 ? i : last_port - (15 - i);
}

TEST(policy_ports, algebra) {
    std::mt19937 random(1); // NOLINT(cert-msc51-cpp): the same each time
    for (int round = 0; round < 20000; ++round) {
        std::array<bool, 16> a{}, b{};
        const auto make = [&](std::array<bool, 16>& bits) {
            port_set set;
            for (unsigned ranges = random() % 5; ranges > 0; --ranges) {
                // All of a range within one end, so that what is between the ends is in no set.
                const unsigned end = random() % 2 * 8;
                const unsigned first = end + random() % 8, last = first + random() % (end + 8 - first);
                set = set | port_set({place(first), place(last)});
                for (unsigned i = first; i <= last; ++i)
                    bits[i] = true;
            }
            return set;
        };
        const port_set x = make(a), y = make(b);
        for (unsigned i = 0; i < 16; ++i) {
            ASSERT_EQ(x.contains(place(i)), a[i]);
            ASSERT_EQ((x | y).contains(place(i)), a[i] || b[i]);
            ASSERT_EQ((x & y).contains(place(i)), a[i] && b[i]);
            ASSERT_EQ((x - y).contains(place(i)), a[i] && !b[i]);
            // Between the ends, and all that there is.
            ASSERT_EQ((port_set::all() - x).contains(place(i)), !a[i]);
        }
        ASSERT_FALSE(x.contains(1000));
        ASSERT_EQ((x - y) | (x & y), x);
        ASSERT_EQ(port_set::all() - (port_set::all() - x), x);
        if (!x.empty()) {
            ASSERT_EQ(parse_port_set(to_string(x)), x);
        }
        for (std::size_t i = 1; i < x.ranges().size(); ++i)
            ASSERT_GT(x.ranges()[i].first - 1, x.ranges()[i - 1].last);
    }
}

static_assert(most_port_ranges == XVSOCK_PORT_RANGES);

TEST(policy_ports, as_many_as_a_link_can_be_held_to) {
    port_set ports;
    for (unsigned n = 0; n < most_port_ranges; ++n)
        ports = ports | port_set({2 * n, 2 * n});
    EXPECT_EQ(too_many_for_a_link(ports), "");
    EXPECT_NE(too_many_for_a_link(ports | port_set({5000, 5000})).find("257 ranges"), std::string::npos);
    port_set longer;
    for (std::uint32_t n = 0; n < most_port_ranges; ++n)
        longer = longer | port_set({4000000000U + 10 * n, 4000000005U + 10 * n});
    EXPECT_NE(too_many_for_a_link(longer).find("characters"), std::string::npos);
}

} // namespace
} // namespace xvsock::peer
