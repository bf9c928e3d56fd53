// SPDX-License-Identifier: MIT
// The policy file: what is wrong with it, and where.
#include "daemon/policy_file.hpp"

#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <random>

namespace xvsock::peer {
namespace {

std::string problem_with(const std::string& text) {
    try {
        parse_policy(text, "P");
        return "";
    } catch (const policy_error& error) {
        return error.what();
    }
}

struct bad_line {
    const char* text;
    const char* says;
};

class policy_bad : public testing::TestWithParam<bad_line> {};

TEST_P(policy_bad, is_named) {
    const auto problem = problem_with(std::string("# first\n\n") + GetParam().text + "\nallow a -> b\n");
    EXPECT_TRUE(problem.starts_with("P:3: ")) << problem;
    EXPECT_NE(problem.find(GetParam().says), std::string::npos) << problem;
    EXPECT_EQ(problem.find('\n'), std::string::npos) << problem;
}

INSTANTIATE_TEST_SUITE_P(
    lines, policy_bad,
    testing::Values(
        bad_line{"alow a -> b", "allow, deny, group, limit or cid"},
        bad_line{"\"allow\" a -> b", "no keyword"}, bad_line{"Allow a -> b", "no keyword"},
        bad_line{"a -> b", "'a' is no keyword"}, bad_line{"allow", "ends where a domain"},
        bad_line{"allow a", "ends where -> or <->"}, bad_line{"allow a ->", "ends where a domain"},
        bad_line{"allow a b", "'b' stands where -> or <->"}, bad_line{"allow a <- b", "-> or <->"},
        bad_line{"allow a->b", "blanks are missing"}, bad_line{"allow -> b", "where a domain is expected"},
        bad_line{"allow a -> b c", "'port N'"}, bad_line{"allow a -> port 22", "where a domain"},
        bad_line{"allow a -> b port", "ends where a port"}, bad_line{"allow a -> b port x", "'x' is no port"},
        bad_line{"allow a -> b port 22 23", "too much"},
        bad_line{"allow a -> b ports 22, 23", "no blanks between"},
        bad_line{"allow a -> b port 4294967296", "from 0 to 4294967295"},
        bad_line{"allow a -> b ports 9-1", "it would be 1-9"}, bad_line{"allow a -> b port -1", "is no port"},
        bad_line{"allow a, b -> c", "is quoted"}, bad_line{"allow uuid:1 -> b", "is no UUID"},
        bad_line{"allow uuid:6c1a7c2e00d4c-4a6e-9f43-5b1d2c3e4f50 -> b", "is no UUID"},
        bad_line{"allow group:web -> b", "there is no group 'web' above"},
        bad_line{"allow name:x -> b", "uuid: and group: do"}, bad_line{"allow web[1 -> b", "without its ]"},
        bad_line{"allow \"a -> b", "closing quote"}, bad_line{"allow \"\" -> b", "is empty"},
        bad_line{"allow \"a\"b -> b", "after the closing quote"},
        bad_line{"allow a\"b\" -> b", "inside of a word"}, bad_line{"allow \"a\\n\" -> b", "write \\\\"},
        bad_line{"allow \x01 -> b", "control character"}, bad_line{"group", "group's name"},
        bad_line{"group x", "ends where ="}, bad_line{"group x a", "= is expected"},
        bad_line{"group x =", "a member"}, bad_line{"group a:b = c", "no name for a group"},
        bad_line{"group x = group:x", "no group 'x'"}, bad_line{"limit", "a domain"},
        bad_line{"limit a", "connections or memory"},
        bad_line{"limit a connections", "number of connections"},
        bad_line{"limit a connections 0", "1 to 1000000"}, bad_line{"limit a connections 1k", "1 to 1000000"},
        bad_line{"limit a connections 1 connections 2", "once each"},
        bad_line{"limit a memory 64", "amount of memory"},
        bad_line{"limit a memory 64MB", "amount of memory"}, bad_line{"limit a memory M", "amount of memory"},
        bad_line{"limit a memory 99999999999999999999G", "amount of memory"},
        bad_line{"limit a memory 18014398509481984K", "amount of memory"},
        bad_line{"limit a ports 1", "once each"}, bad_line{"cid a", "a CID"},
        bad_line{"cid a 2", "3 to 4294967294"}, bad_line{"cid a 4294967295", "no CID"},
        bad_line{"cid a* 70000", "one domain"}, bad_line{"cid * 70000", "one domain"},
        bad_line{"cid dom0 70000", "always 2"}, bad_line{"cid a 70000 x", "too much"}));

TEST(policy_file, more_ports_than_a_link_can_be_held_to) {
    std::string ports = "1";
    for (unsigned n = 1; n < most_port_ranges; ++n)
        ports += fmt::format(",{}", 2 * n + 1);
    EXPECT_EQ(problem_with("allow a -> b ports " + ports), "");
    EXPECT_NE(problem_with("\nallow a -> b ports " + ports + ",9000").find("P:2: 257 ranges of ports"),
              std::string::npos);
}

TEST(policy_file, twice_the_same) {
    EXPECT_NE(problem_with("group x = a\ngroup x = b").find("P:2: the group 'x' is defined"),
              std::string::npos);
    EXPECT_NE(problem_with("cid a 7\ncid b 7").find("P:2: line 1 gives the CID 7"), std::string::npos);
    EXPECT_NE(problem_with("cid a 7\ncid a 8").find("P:2: line 1 gives this domain"), std::string::npos);
}

TEST(policy_file, all_problems_are_named_at_once) {
    EXPECT_NE(problem_with("x\nallow a -> b\ny").find("P:3: 'y'"), std::string::npos);
}

TEST(policy_file, words) {
    EXPECT_EQ(problem_with("allow \"a \\\"b\\\" \\\\ # c\" -> d#e # comment\r\n\tdeny  x\t<->\ty\n"), "");
    const policy made = parse_policy("allow \"a \\\"b\\\" \\\\ # c\" -> d#e # comment", "P");
    EXPECT_EQ(made.rules.at(0).from.text, "a \"b\" \\ # c");
    EXPECT_EQ(made.rules.at(0).to.text, "d#e");
}

TEST(policy_file, one_that_cannot_be_read) {
    EXPECT_THROW(read_policy("/nonexistent/policy"), policy_error);
    EXPECT_THROW(read_policy("/"), policy_error);
    EXPECT_TRUE(read_policy("/dev/null").rules.empty());
}

TEST(policy_file, the_example_is_right_and_allows_nothing) {
    EXPECT_TRUE(read_policy(POLICY_EXAMPLE).rules.empty());
}

// What is commented out in it is right as well.
TEST(policy_file, the_examples_in_the_example) {
    std::string text;
    const std::string file = POLICY_EXAMPLE;
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("#   "))
            text += line.substr(4) + "\n";
    const policy made = parse_policy(text, file);
    EXPECT_EQ(made.rules.size(), 6U);
    EXPECT_EQ(made.limit_lines.size(), 3U);
    EXPECT_EQ(made.pins.size(), 2U);
}

TEST(policy_file, rubbish_is_refused_or_read_and_nothing_else) {
    std::mt19937 random(3); // NOLINT(cert-msc51-cpp): the same each time
    const std::vector<std::string> pieces{
        "allow",       "deny",  "group",   "limit", "cid",  "->",    "<->",
        "port",        "ports", "a",       "*",     "dom0", "1-2,3", "uuid:x",
        "\"q\"",       "=",     "group:g", "\n",    "#",    "\"",    "memory",
        "connections", "4M",    "[",       "70000", "\\",   ",",     std::string(1, '\0'),
        "\xff"};
    for (int round = 0; round < 20000; ++round) {
        std::string text;
        for (unsigned left = random() % 12; left > 0; --left)
            text += pieces[random() % pieces.size()] + (random() % 4 == 0 ? "" : " ");
        problem_with(text);
    }
}

} // namespace
} // namespace xvsock::peer
