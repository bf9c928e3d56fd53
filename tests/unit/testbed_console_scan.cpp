// SPDX-License-Identifier: MIT
// The console scanner: every kind of report is found, and nothing else is.
#include <string>

#include <gtest/gtest.h>

#include "host/console_scan.hpp"

using namespace xvsock::testbed;

namespace {

class testbed_report : public testing::TestWithParam<const char*> {};

TEST_P(testbed_report, is_found) {
    console_scanner scanner;
    scanner.feed("[    1.000000] Linux version 6.1\r\n");
    scanner.feed(std::string(GetParam()) + "\r\n");
    ASSERT_EQ(scanner.reports().size(), 1U);
    EXPECT_EQ(scanner.reports().front().line, 2U);
    EXPECT_EQ(scanner.reports().front().lines.front(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    kernel, testbed_report,
    testing::Values(
        "[   12.345678] BUG: kernel NULL pointer dereference, address: 0000000000000008",
        "[   12.345678] WARNING: CPU: 0 PID: 1 at net/core/sock.c:1 f+0x1/0x2 [xen_vsock]",
        "[   12.345678] Oops: 0002 [#1] PREEMPT SMP", "[   12.345678] Call Trace:",
        "[   12.345678] general protection fault, probably for non-canonical address 0x1: 0000 [#1]",
        "[   12.345678] WARNING: possible circular locking dependency detected",
        "[   12.345678] WARNING: possible recursive locking detected",
        "[   12.345678] WARNING: inconsistent lock state", "[   12.345678] WARNING: suspicious RCU usage",
        "[   12.345678] INFO: trying to register non-static key.",
        "[   12.345678] BUG: sleeping function called from invalid context at mm/slab.h:1",
        "[   12.345678] BUG: scheduling while atomic: socat/1/0x1",
        "[   12.345678] BUG: KFENCE: use-after-free read in f+0x1/0x2",
        "[   12.345678] UBSAN: array-index-out-of-bounds in a.c:1:1",
        "[   12.345678] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
        "[   12.345678] INFO: task socat:1 blocked for more than 120 seconds.",
        "[   12.345678] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [socat:1]",
        "[   12.345678] rcu: INFO: rcu_preempt self-detected stall on CPU",
        "[   12.345678] refcount_t: underflow; use-after-free.",
        "[   12.345678] Out of memory: Killed process 1 (socat)",
        "[   12.345678] Kernel panic - not syncing: Attempted to kill init!", "(XEN) Xen BUG at mm.c:1",
        "(XEN) Panic on CPU 0:", "(XEN) Assertion 'x' failed at mm.c:1",
        "half a line of a program [   12.345678] BUG: unable to handle page fault"));

TEST(testbed_console_scan, programs_may_print_anything) {
    console_scanner scanner;
    scanner.feed("WARNING: this is a program\nBUG: so is this\n[1] Oops\n[12.5] BUG: \nCall Trace\n");
    EXPECT_TRUE(scanner.reports().empty());
}

TEST(testbed_console_scan, lines_may_come_in_pieces) {
    console_scanner scanner;
    for (const char byte : std::string("[    1.000000] WARNING: CPU: 0\n"))
        scanner.feed({&byte, 1});
    EXPECT_EQ(scanner.reports().size(), 1U);
}

TEST(testbed_console_scan, last_line_needs_no_end) {
    console_scanner scanner;
    scanner.feed("[    1.000000] Kernel panic - not syncing: x");
    EXPECT_TRUE(scanner.reports().empty());
    scanner.finish();
    EXPECT_EQ(scanner.reports().size(), 1U);
    EXPECT_TRUE(scanner.halted());
}

TEST(testbed_console_scan, trace_belongs_to_its_report) {
    console_scanner scanner;
    scanner.feed(
        "[    1.000000] WARNING: CPU: 0 PID: 1 at a.c:1\n[    1.000001] Call Trace:\n[    1.000002]  f+0x1\n"
        "[    1.000003] ---[ end trace 0000000000000000 ]---\n[    1.000004] harmless\n"
        "[    1.000005] WARNING: CPU: 0 PID: 1 at b.c:1\n");
    ASSERT_EQ(scanner.reports().size(), 2U);
    EXPECT_EQ(scanner.reports()[0].lines.size(), 4U);
    EXPECT_EQ(scanner.reports()[1].line, 6U);
}

TEST(testbed_console_scan, expected_lines_are_allowed) {
    console_scanner scanner({"at b\\.c:1"});
    scanner.feed("[    1.000000] WARNING: CPU: 0 PID: 1 at b.c:1\n");
    EXPECT_TRUE(scanner.reports().empty());
    scanner.feed("[    1.000000] WARNING: CPU: 0 PID: 1 at a.c:1\n");
    EXPECT_EQ(scanner.reports().size(), 1U);
}

TEST(testbed_console_scan, the_trace_of_an_expected_warning_is_allowed) {
    console_scanner scanner({"at b\\.c:1"});
    scanner.feed("[    1.000000] WARNING: CPU: 0 PID: 1 at b.c:1\n"
                 "[    1.000000] Call Trace:\n"
                 "[    1.000000] ---[ end trace 0000000000000000 ]---\n");
    EXPECT_TRUE(scanner.reports().empty());
    scanner.feed("[    1.000000] Call Trace:\n");
    EXPECT_EQ(scanner.reports().size(), 1U);
}

TEST(testbed_console_scan, power_off_is_no_report) {
    console_scanner scanner;
    scanner.feed("(XEN) Hardware Dom0 shutdown: rebooting machine\n[   20.000000] reboot: Power down\n");
    EXPECT_TRUE(scanner.reports().empty());
    EXPECT_FALSE(scanner.halted());
}

} // namespace
