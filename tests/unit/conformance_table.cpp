// SPDX-License-Identifier: MIT
#include "table.hpp"

#include <gtest/gtest.h>

using namespace xvsock::conformance;

namespace {

test_record row(const std::string& suite, int id, const std::string& client, const std::string& server,
                outcome result = outcome::pass) {
    test_record made;
    made.suite = suite;
    made.program = "vsock_test";
    made.id = id;
    made.test = id == 9 ? "nine" : "other";
    made.client = client;
    made.server = server;
    made.kernel = "6.1";
    made.result = result;
    made.detail = result == outcome::fail ? "no nine" : "";
    return made;
}

const expectations expected({{{"nine"}, {}, {}, outcome::fail, "no nine", "not there"}});

} // namespace

TEST(conformance_table, shows_suites_and_directions_in_order_and_reasons) {
    const auto text =
        markdown({row("6.12", 0, "dom0", "g1"), row("6.12", 0, "g1", "g2"), row("6.1", 10, "g1", "dom0"),
                  row("6.1", 10, "g1", "g2"), row("6.1", 9, "g1", "g2", outcome::fail)},
                 expected);
    EXPECT_LT(text.find("Linux 6.1\n"), text.find("Linux 6.12\n"));
    EXPECT_NE(text.find("| g1 → g2 | g1 → dom0 | dom0 → g1 |"), std::string::npos) << text;
    const auto nine = text.find("| `vsock_test` | 9 | nine | fail | not run | not run | not there |\n");
    EXPECT_NE(nine, std::string::npos) << text;
    EXPECT_LT(nine, text.find("| `vsock_test` | 10 | other | pass | pass | not run |  |\n")) << text;
}

TEST(conformance_table, what_is_not_as_expected_stands_out) {
    auto failed = row("6.1", 0, "g1", "g2", outcome::fail);
    failed.detail = "a|b";
    const auto text = markdown({failed, row("6.1", 9, "g1", "g2")}, expected);
    EXPECT_NE(text.find("| **fail** | a\\|b |"), std::string::npos) << text;
    EXPECT_NE(text.find("| **pass** |"), std::string::npos) << text;
}

TEST(conformance_table, names_what_was_not_run) {
    const coverage wanted{{"g1-g2", "g2-g1"}, {"6.1", "7.2"}, {"vsock_test"}};
    const auto found =
        gaps({row("6.1", 0, "g1", "g2"), row("6.1", 0, "g2", "g1"), row("6.1", 1, "g1", "g2")}, wanted);
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0], "no result of vsock_test of 7.2");
    EXPECT_EQ(found[1], "vsock_test of 6.1, test 1: not run g2 → g1");
}
