// SPDX-License-Identifier: MIT
#include "registers.hpp"

#include <gtest/gtest.h>

namespace xvsock::bench {
namespace {

TEST(bench_registers, places_by_address) {
    const auto found =
        read_registers("\r\nCPU#0\r\nRAX=0000000000000000 RBX=ffff82d040234567\r\n"
                       "RIP=ffff82d040234567 RFL=00000046 CPL=0 II=0 A20=1 SMM=0 HLT=0\r\n"
                       "CPU#1\r\nRIP=ffffffff81e012aa RFL=00000246 CPL=3 II=0 A20=1 SMM=0 HLT=0\r\n"
                       "CPU#2\r\nRIP=00007f0000001000 RFL=00000246 CPL=3 II=0 A20=1 SMM=0 HLT=0\r\n"
                       "CPU#3\r\nRIP=ffff82d040239999 RFL=00000246 CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n");
    EXPECT_EQ(found.busy, 3u) << "one is halted";
    EXPECT_EQ(found.hypervisor, 1u);
    EXPECT_EQ(found.kernel, 1u);
    EXPECT_EQ(found.user, 1u);
}

TEST(bench_registers, other_text_is_nowhere) {
    for (const char* text : {"", "CPU#0", "CPU#0 RIP=zz HLT=0", "RIP=1 HLT=0", "CPU#0 RIP=1"})
        EXPECT_EQ(read_registers(text).busy, 0u) << text;
}

} // namespace
} // namespace xvsock::bench
