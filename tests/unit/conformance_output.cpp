// SPDX-License-Identifier: MIT
#include "suite_output.hpp"

#include <gtest/gtest.h>

using namespace xvsock::conformance;

namespace {

constexpr auto control = "Control socket connected to 10.77.0.12:5001.\n";
constexpr auto all_done = "All tests have been executed. Waiting other peer...ok\n";

std::string output(std::initializer_list<const char*> parts) {
    std::string text = control;
    for (const auto* part : parts)
        text += part;
    return text;
}

using state = test_progress::state;

} // namespace

TEST(conformance_output, reads_the_list_of_tests) {
    const auto tests =
        parse_list("ID\tTest name\n0\tSOCK_STREAM connection reset\n11\tSOCK_STREAM bind only\n");
    ASSERT_EQ(tests.size(), 2U);
    EXPECT_EQ(tests[0].id, 0);
    EXPECT_EQ(tests[0].name, "SOCK_STREAM connection reset");
    EXPECT_EQ(tests[1].id, 11);
    EXPECT_TRUE(parse_list("vsock_test: not found\n").empty());
}

TEST(conformance_output, reads_verdicts_and_remarks) {
    const auto text =
        output({"0 - reset...ok\n", "1 - bind only...skipped\n",
                "24 - ioctl(SIOCOUTQ)...Test skipped, SIOCOUTQ not supported.\nok\n", all_done});
    const auto tests = parse_run(text);
    ASSERT_EQ(tests.size(), 3U);
    EXPECT_EQ(tests[0].end, state::passed);
    EXPECT_EQ(tests[0].said, "");
    EXPECT_EQ(text.compare(tests[0].offset, 3, "0 -"), 0);
    EXPECT_EQ(tests[1].end, state::skipped);
    EXPECT_EQ(tests[2].end, state::passed);
    EXPECT_EQ(tests[2].said, "Test skipped, SIOCOUTQ not supported.");
}

TEST(conformance_output, a_test_is_unfinished_until_its_verdict_is_printed) {
    EXPECT_EQ(parse_run(output({"3 - server close..."})).at(0).end, state::unfinished);
    const auto failed =
        parse_run(output({"2 - a...ok\n", "3 - b...recv: Cannot allocate memory\nand more\n"}));
    EXPECT_EQ(failed.at(1).end, state::unfinished);
    EXPECT_EQ(failed.at(1).said, "recv: Cannot allocate memory; and more");
    // Said by the program, not its verdict.
    EXPECT_EQ(parse_run(output({"3 - b...not ok yet\nok"})).at(0).end, state::unfinished);
}

TEST(conformance_output, a_run_passes_what_both_sides_passed) {
    const auto text = output({"0 - a...ok\n", "1 - b...skipped\n", "2 - c...ok\n", all_done});
    const auto findings = combine(text, text);
    ASSERT_EQ(findings.size(), 2U);
    EXPECT_EQ(findings[0].result, outcome::pass);
    EXPECT_EQ(findings[1].id, 2);
    EXPECT_EQ(findings[1].result, outcome::pass);
}

TEST(conformance_output, a_test_that_either_side_could_not_do_is_skipped) {
    const auto plain = output({"24 - a...ok\n", all_done});
    const auto skipped = output({"24 - a...Test skipped, SIOCINQ not supported.\nok\n", all_done});
    EXPECT_EQ(combine(skipped, plain).at(0).result, outcome::skip);
    EXPECT_EQ(combine(plain, skipped).at(0).result, outcome::skip);
    EXPECT_EQ(combine(plain, skipped).at(0).detail, "Test skipped, SIOCINQ not supported.");
}

TEST(conformance_output, the_first_unfinished_test_of_either_side_is_the_failed_one) {
    // The server fails; the client is done with it and notices in the next test.
    const auto client =
        output({"0 - a...ok\n", "1 - b...ok\n", "2 - c...unexpected EOF on control socket\n"});
    const auto server = output({"0 - a...ok\n", "1 - b...hash mismatch\n"});
    for (const bool swapped : {false, true}) {
        const auto findings = swapped ? combine(server, client) : combine(client, server);
        ASSERT_EQ(findings.size(), 2U);
        EXPECT_EQ(findings[0].result, outcome::pass);
        EXPECT_EQ(findings[1].id, 1);
        EXPECT_EQ(findings[1].result, outcome::fail);
        EXPECT_EQ(findings[1].detail, swapped ? "client: hash mismatch" : "server: hash mismatch");
    }
}

TEST(conformance_output, a_side_that_printed_nothing_decides_nothing) {
    const auto client = output({"0 - a...ok\n", "1 - b..."});
    const auto findings = combine(client, "");
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_EQ(findings[0].id, 1);
    EXPECT_EQ(findings[0].result, outcome::fail);
    EXPECT_TRUE(combine("", "").empty());
    EXPECT_TRUE(combine("getaddrinfo failed\n", "").empty());
}

TEST(conformance_output, outcomes_have_names) {
    for (const auto value : {outcome::pass, outcome::fail, outcome::skip})
        EXPECT_EQ(outcome_from(to_string(value)), value);
    EXPECT_THROW(outcome_from("ok"), std::invalid_argument);
}
