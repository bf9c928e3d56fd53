// SPDX-License-Identifier: MIT
#include "results.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

using namespace xvsock::conformance;

namespace {

expectations example(std::string_view data_path = "vchan") {
    return expectations::from(boost::json::parse(R"({"exceptions": [
        {"tests": ["SEQPACKET"], "result": "fail", "says": "recv: No", "reason": "not there yet"},
        {"tests": ["SHUT_WR", "SHUT_RD"], "kernels": ["6.1"], "suites": ["7.2"], "result": "fail",
         "says": "recv", "reason": "the core"},
        {"tests": ["SIOCOUTQ"], "kernels": ["6.1"], "result": "skip", "says": "No", "reason": "no ioctl"},
        {"tests": ["many"], "data_paths": ["argo"], "result": "fail", "says": "recv", "reason": "rings"}]})"),
                              data_path);
}

test_record record(const std::string& test, outcome result, const std::string& kernel = "6.1",
                   const std::string& suite = "7.2") {
    test_record made;
    made.suite = suite;
    made.program = "vsock_test";
    made.id = 16;
    made.test = test;
    made.client = "g1";
    made.server = "dom0";
    made.kernel = kernel;
    made.result = result;
    made.detail = "recv: No";
    made.seconds = 0.5;
    return made;
}

} // namespace

TEST(conformance_results, records_survive_json) {
    const auto before = record("SHUT_WR", outcome::skip);
    const auto after = records_from(to_json({before, record("other", outcome::pass)}));
    ASSERT_EQ(after.size(), 2U);
    EXPECT_EQ(after[0].suite, before.suite);
    EXPECT_EQ(after[0].program, before.program);
    EXPECT_EQ(after[0].id, before.id);
    EXPECT_EQ(after[0].test, before.test);
    EXPECT_EQ(after[0].client, before.client);
    EXPECT_EQ(after[0].server, before.server);
    EXPECT_EQ(after[0].kernel, before.kernel);
    EXPECT_EQ(after[0].result, before.result);
    EXPECT_EQ(after[0].detail, before.detail);
    EXPECT_EQ(after[0].seconds, before.seconds);
    EXPECT_EQ(after[1].result, outcome::pass);
}

TEST(conformance_results, the_series_of_a_kernel) {
    EXPECT_EQ(kernel_series("6.1.0-41-amd64"), "6.1");
    EXPECT_EQ(kernel_series("6.12.38+deb13-amd64"), "6.12");
    EXPECT_EQ(kernel_series("7.2-rc1"), "7.2");
}

TEST(conformance_results, a_test_has_to_pass_unless_it_is_listed) {
    const auto expected = example();
    EXPECT_FALSE(expected.complaint(record("other", outcome::pass)));
    EXPECT_NE(expected.complaint(record("other", outcome::fail))->find("is not listed"), std::string::npos);
    EXPECT_NE(expected.complaint(record("other", outcome::skip))->find("is not listed"), std::string::npos);
}

TEST(conformance_results, an_entry_may_be_for_one_data_path) {
    EXPECT_TRUE(example("vchan").complaint(record("many", outcome::fail)));
    EXPECT_FALSE(example("argo").complaint(record("many", outcome::fail)));
    EXPECT_FALSE(example("argo").complaint(record("SEQPACKET", outcome::fail))) << "the others hold for all";
}

TEST(conformance_results, a_listed_test_has_to_come_out_as_listed) {
    const auto expected = example();
    EXPECT_FALSE(expected.complaint(record("SEQPACKET", outcome::fail)));
    EXPECT_FALSE(expected.complaint(record("SIOCOUTQ", outcome::skip)));
    EXPECT_TRUE(expected.complaint(record("SIOCOUTQ", outcome::fail)));
    const auto passes = expected.complaint(record("SHUT_RD", outcome::pass));
    ASSERT_TRUE(passes);
    EXPECT_NE(passes->find("unexpected pass"), std::string::npos);
    EXPECT_NE(passes->find("the core"), std::string::npos);
}

TEST(conformance_results, a_listed_test_has_to_fail_for_its_reason) {
    auto other = record("SEQPACKET", outcome::fail);
    other.detail = "connect: Connection timed out";
    const auto complaint = example().complaint(other);
    ASSERT_TRUE(complaint);
    EXPECT_NE(complaint->find("does not say \"recv: No\" (connect: Connection timed out)"), std::string::npos)
        << *complaint;
}

TEST(conformance_results, an_entry_holds_for_its_kernels_and_suites_only) {
    const auto expected = example();
    EXPECT_FALSE(expected.complaint(record("SHUT_WR", outcome::fail, "6.1", "7.2")));
    EXPECT_TRUE(expected.complaint(record("SHUT_WR", outcome::fail, "6.12", "7.2")));
    EXPECT_TRUE(expected.complaint(record("SHUT_WR", outcome::fail, "6.1", "6.12")));
    EXPECT_FALSE(expected.complaint(record("SHUT_WR", outcome::pass, "6.12", "7.2")));
}

TEST(conformance_results, a_list_that_says_nothing_is_refused) {
    for (const auto* text :
         {R"({})", R"({"exceptions": [{"tests": [], "result": "fail", "says": "x", "reason": "x"}]})",
          R"({"exceptions": [{"tests": ["a"], "result": "fail", "says": "x", "reason": ""}]})",
          R"({"exceptions": [{"tests": ["a"], "result": "fail", "says": "", "reason": "x"}]})",
          R"({"exceptions": [{"tests": ["a"], "result": "pass", "says": "x", "reason": "x"}]})",
          R"({"exceptions": [{"tests": ["a"], "result": "maybe", "says": "x", "reason": "x"}]})"})
        EXPECT_THROW(expectations::from(boost::json::parse(text), "vchan"), std::exception) << text;
}
