// SPDX-License-Identifier: MIT
#include "np_out.hpp"

#include <gtest/gtest.h>
#include <stdexcept>

namespace xvsock::bench {
namespace {

TEST(np_out, lines_of_netpipe) {
    const auto points =
        parse_np_out("       1 0.672834   0.00001134\n   65536 17778.740602   0.00002812\n", "np.out");
    ASSERT_EQ(points.size(), 2u);
    EXPECT_EQ(points[0].bytes, 1u);
    EXPECT_DOUBLE_EQ(points[0].seconds, 0.00001134);
    EXPECT_EQ(points[1].bytes, 65536u);
    EXPECT_NEAR(points[1].megabits(), 18642.4, 0.1) << "of 10^6 bits, not of 2^20";
}

TEST(np_out, an_empty_file_has_no_points) {
    EXPECT_TRUE(parse_np_out("", "np.out").empty());
}

TEST(np_out, other_lines_are_refused_with_their_number) {
    for (const char* line : {"1 2", "1 2 3 4", "x 1 2", "0 1 2", "1 -1 2", "1 1 -2", "1 nan 2", ""})
        EXPECT_THROW(parse_np_out(std::string("1 1 1\n") + line + "\n", "np.out"), std::runtime_error)
            << line;
    try {
        parse_np_out("1 1 1\n1 2\n", "np.out");
        FAIL();
    } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "np.out: line 2: '1 2' is not 'BYTES MBPS SECONDS'");
    }
}

} // namespace
} // namespace xvsock::bench
