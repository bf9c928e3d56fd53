// SPDX-License-Identifier: MIT
// What belongs to the debug kernel: lost options, and the leaks that are judged.
#include <gtest/gtest.h>

#include "common/kmemleak.hpp"
#include "host/debug_kernel.hpp"

using namespace xvsock::testbed;

namespace {

using strings = std::vector<std::string>;

TEST(testbed_debug_kernel, finds_lost_options) {
    constexpr auto fragment = "# why\nCONFIG_A=y\n\nCONFIG_B=m\nCONFIG_C=64\n";
    EXPECT_EQ(lost_options(fragment, "CONFIG_A=y\nCONFIG_B=m\nCONFIG_C=64\n"), strings{});
    EXPECT_EQ(lost_options(fragment, "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=640\n"),
              (strings{"CONFIG_B=m", "CONFIG_C=64"}));
}

std::string object(const std::string& calls) {
    return "unreferenced object 0xffff888003b2c000 (size 64):\n"
           "  comm \"vsock-load\", pid 77, jiffies 4294906230 (age 30.500s)\n"
           "  hex dump (first 4 bytes):\n    00 00 00 00  ....\n"
           "  backtrace:\n    [<ffffffff81123456>] kmalloc_trace+0x26/0x90\n" +
           calls;
}

TEST(testbed_kmemleak, judges_by_the_call_trace) {
    const auto ours = object("    [<ffffffffc0001234>] xvsock_conn_new+0x1c/0x60 [xen_vsock]\n");
    const auto sockets = object("    [<ffffffffc0005678>] __vsock_create+0x5c/0x2a0 [vsock]\n");
    const auto unloaded = object("    [<ffffffffc0009abc>] 0xffffffffc0009abc\n");
    const auto other = object("    [<ffffffff81999999>] pci_alloc_dev+0x10/0x20\n");
    EXPECT_EQ(vsock_leaks(""), strings{});
    EXPECT_EQ(vsock_leaks(other), strings{});
    EXPECT_EQ(vsock_leaks(other + ours + other + sockets + unloaded), (strings{ours, sockets, unloaded}));
}

} // namespace
