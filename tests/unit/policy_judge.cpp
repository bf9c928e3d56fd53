// SPDX-License-Identifier: MIT
// What a policy says about pairs of domains, by example and against an evaluator that goes port by port.
#include "daemon/policy_file.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <random>

namespace xvsock::peer {
namespace {

constexpr const char* uuid_a = "aaaaaaaa-0000-4000-8000-000000000001";
constexpr const char* uuid_b = "bbbbbbbb-0000-4000-8000-000000000002";

const subject dom0{0, "", std::string(dom0_name)};
const subject a{1, uuid_a, "a"}, b{2, uuid_b, "b"}, unnamed{3, "cccccccc-0000-4000-8000-000000000003", {}};

std::string judged(const std::string& text, const subject& from, const subject& to) {
    return to_string(parse_policy(text, "policy").judge(from, to).ports);
}

TEST(policy_judge, nothing_is_allowed_by_default) {
    EXPECT_EQ(judged("", a, b), "none");
    EXPECT_EQ(judged("allow a -> b", b, a), "none");
    EXPECT_EQ(judged("allow a -> c", a, b), "none");
}

TEST(policy_judge, directions) {
    EXPECT_EQ(judged("allow a -> b", a, b), "any");
    EXPECT_EQ(judged("allow a <-> b port 22", a, b), "22");
    EXPECT_EQ(judged("allow a <-> b port 22", b, a), "22");
}

TEST(policy_judge, the_first_match_decides_for_each_port) {
    const std::string text = "deny a -> b port 22\nallow a -> b";
    EXPECT_EQ(judged(text, a, b), "0-21,23-4294967295");
    EXPECT_EQ(judged("allow a -> b\ndeny a -> b port 22", a, b), "any");
    EXPECT_EQ(judged("allow a -> b ports 10-20\ndeny a -> * ports 15-30\nallow * -> b ports 0-40", a, b),
              "0-20,31-40");
    EXPECT_EQ(parse_policy("\n" + text, "policy").judge(a, b).line, 3U);
}

TEST(policy_judge, who_is_meant) {
    EXPECT_EQ(judged("allow dom0 -> a", dom0, a), "any");
    EXPECT_EQ(judged("allow Domain-0 -> a", dom0, a), "any");
    EXPECT_EQ(judged("allow Dom* -> a", dom0, a), "any");
    EXPECT_EQ(judged("allow * -> a", dom0, a), "any");
    EXPECT_EQ(judged(fmt::format("allow uuid:{} -> [b-c]", uuid_a), a, b), "any");
    EXPECT_EQ(judged("allow uuid:AAAAAAAA-0000-4000-8000-000000000001 -> ?", a, b), "any");
    EXPECT_EQ(judged("group x = nobody, a\ngroup y = group:x\nallow group:y -> \"b\"", a, b), "any");
    EXPECT_EQ(judged("allow \"dom0\" -> a", dom0, a), "none"); // a guest of that name
    EXPECT_EQ(judged("allow \"*\" -> b", a, b), "none");
    EXPECT_EQ(judged("allow a -> a", a, a), "any");
}

TEST(policy_judge, a_domain_whose_name_is_not_known_may_be_the_one_that_is_denied) {
    EXPECT_EQ(judged("allow x* -> b", unnamed, b), "none");
    EXPECT_EQ(judged("deny evil -> b port 1\nallow * -> b", unnamed, b), "0,2-4294967295");
    EXPECT_EQ(judged("deny evil -> c\nallow * -> b", unnamed, b), "any");
    EXPECT_EQ(judged("allow uuid:cccccccc-0000-4000-8000-000000000003 -> b\ndeny evil -> *", unnamed, b),
              "any");
    EXPECT_EQ(
        judged("group g = evil uuid:cccccccc-0000-4000-8000-000000000003\nallow group:g -> b", unnamed, b),
        "any");
}

TEST(policy_judge, limits) {
    const policy made =
        parse_policy("limit a connections 5\nlimit uuid:cccccccc-0000-4000-8000-000000000003 memory 1M\n"
                     "limit * connections 9 memory 64M",
                     "policy");
    EXPECT_EQ(made.limits_of(a), (limits{5, std::nullopt}));
    EXPECT_EQ(made.limits_of(b), (limits{9, 64ULL << 20}));
    EXPECT_EQ(made.limits_of(unnamed), (limits{5, 1ULL << 20})) << "the lower of those that may be meant";
    EXPECT_EQ(parse_policy("", "policy").limits_of(a), limits{});
}

TEST(policy_judge, pins) {
    const policy made = parse_policy(fmt::format("cid a 70000\ncid uuid:{} 3", uuid_b), "policy");
    ASSERT_TRUE(made.pin_of(a) && made.pin_of(b));
    EXPECT_EQ(made.pin_of(a)->cid, 70000U);
    EXPECT_EQ(made.pin_of(b)->cid, 3U);
    EXPECT_EQ(made.pin_of(unnamed), nullptr);
}

// ---- Against a naive evaluator

struct naive_rule {
    bool allow;
    std::string from, to;
    bool both;
    std::uint32_t first, last;
};

bool naive_match(const std::string& text, const subject& one) {
    if (text == "*")
        return true;
    if (text == "dom0")
        return one.id == 0;
    if (text == "group:g")
        return one.name == "a" || one.name == "xb";
    if (text.starts_with("uuid:"))
        return text.substr(5) == one.uuid;
    if (text.ends_with("*"))
        return one.name->starts_with(text.substr(0, text.size() - 1));
    return one.name == text;
}

bool naive_allows(const std::vector<naive_rule>& rules, const subject& from, const subject& to,
                  std::uint32_t port) {
    for (const naive_rule& one : rules) {
        const bool along = naive_match(one.from, from) && naive_match(one.to, to);
        const bool back = one.both && naive_match(one.from, to) && naive_match(one.to, from);
        if ((along || back) && one.first <= port && port <= one.last)
            return one.allow;
    }
    return false;
}

TEST(policy_judge, as_a_naive_evaluator) {
    const std::vector<subject> domains{dom0, a, b, {4, "dddddddd-0000-4000-8000-000000000004", "xb"}};
    const std::vector<std::string> words{"*",  "dom0", "a",       "b",
                                         "x*", "xb",   "group:g", std::string("uuid:") + uuid_a};
    const std::vector<std::uint32_t> ports{0, 1, 21, 22, 23, 80, 1023, 1024, last_port - 1, last_port};
    std::mt19937 random(7); // NOLINT(cert-msc51-cpp): the same each time
    const auto any_of = [&](const auto& list) { return list[random() % list.size()]; };
    for (int round = 0; round < 3000; ++round) {
        std::vector<naive_rule> rules;
        std::string text = "group g = a xb\n";
        for (unsigned left = random() % 9; left > 0; --left) {
            naive_rule one{.allow = random() % 2 == 0,
                           .from = any_of(words),
                           .to = any_of(words),
                           .both = random() % 3 == 0,
                           .first = any_of(ports),
                           .last = any_of(ports)};
            if (one.first > one.last)
                std::swap(one.first, one.last);
            text += fmt::format("{} {} {} {} ports {}-{}\n", one.allow ? "allow" : "deny", one.from,
                                one.both ? "<->" : "->", one.to, one.first, one.last);
            rules.push_back(std::move(one));
        }
        const policy made = parse_policy(text, "policy");
        for (const subject& from : domains)
            for (const subject& to : domains) {
                const verdict found = made.judge(from, to);
                for (const std::uint32_t port : ports)
                    ASSERT_EQ(found.ports.contains(port), naive_allows(rules, from, to, port))
                        << text << from.id << " -> " << to.id << " port " << port;
                ASSERT_EQ(found.line != 0, !found.ports.empty());
            }
    }
}

} // namespace
} // namespace xvsock::peer
