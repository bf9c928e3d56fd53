// SPDX-License-Identifier: MIT
// Which parts a run has, and how an interrupted one goes on.
#include "part.hpp"

#include <algorithm>
#include <fstream>
#include <gtest/gtest.h>
#include <stdexcept>

#include <stdlib.h>

namespace xvsock::bench {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names(const std::vector<part>& parts) {
    std::vector<std::string> list;
    for (const part& one : parts)
        list.push_back(one.name);
    return list;
}

wanted all_paths(mode which, bool quick) {
    return {which, quick, known_paths(), "scenarios"};
}

TEST(bench_plan, parts_of_each_mode) {
    using list = std::vector<std::string>;
    const auto of = [](mode which, bool quick) { return names(chosen(plan(all_paths(which, quick)), {})); };
    EXPECT_EQ(of(mode::virtual_time, true), (list{"pair", "rings", "cost", "argo"}));
    EXPECT_EQ(of(mode::wall, false), (list{"pair", "rings", "cost", "argo", "guests"}));
    EXPECT_EQ(of(mode::native, true), list{"ring"});
}

TEST(bench_plan, only_what_is_asked_for) {
    auto what = all_paths(mode::virtual_time, true);
    what.paths = {"memcpy"};
    const auto parts = chosen(plan(what), {});
    ASSERT_EQ(parts.size(), 1u);
    EXPECT_EQ(parts[0].settings[0], (std::pair<std::string, std::string>{"env.STEPS", "memcpy"}));
    what.paths = {"argo"};
    EXPECT_EQ(names(chosen(plan(what), {})), std::vector<std::string>{"argo"});
    EXPECT_TRUE(plan(what)[0].optional);
}

TEST(bench_plan, by_name) {
    const auto parts = plan(all_paths(mode::virtual_time, true));
    EXPECT_EQ(names(chosen(parts, {"points", "cost"})), (std::vector<std::string>{"cost", "points"}));
    EXPECT_EQ(names(chosen(parts, {"guests"})), std::vector<std::string>{"guests"}) << "also in a quick run";
    try {
        chosen(parts, {"cost", "kost"});
        FAIL();
    } catch (const std::invalid_argument& error) {
        EXPECT_NE(std::string(error.what()).find("'kost' is not among the parts pair, rings"),
                  std::string::npos)
            << error.what();
    }
}

class bench_resume : public testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "xvsock-bench-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name;
        fs::create_directories(folder_ / "scenario");
        std::ofstream(folder_ / "scenario/guest.sh") << "one";
        std::ofstream(folder_ / "program") << "one";
        one_ = {.name = "pair", .scenario = folder_ / "scenario", .settings = {{"env.A", "b"}}};
    }
    void TearDown() override { fs::remove_all(folder_); }

    std::string print(mode which = mode::wall) const {
        return fingerprint(one_, which, {folder_ / "program"});
    }

    fs::path folder_;
    part one_;
};

TEST_F(bench_resume, a_finished_part_is_known_again) {
    const marker mark(folder_, one_);
    EXPECT_FALSE(mark.matches(print()));
    EXPECT_EQ(mark.seconds(), 0);
    mark.set(print(), 12.5);
    EXPECT_TRUE(mark.matches(print()));
    EXPECT_EQ(mark.seconds(), 12.5);
}

TEST_F(bench_resume, whatever_it_depends_on_makes_it_another) {
    const auto before = print();
    EXPECT_EQ(print(), before);
    EXPECT_NE(print(mode::virtual_time), before);
    std::ofstream(folder_ / "program") << "two";
    const auto other_program = print();
    EXPECT_NE(other_program, before);
    std::ofstream(folder_ / "scenario/guest.sh") << "two";
    EXPECT_NE(print(), other_program);
    const auto other_scenario = print();
    one_.settings.emplace_back("env.C", "d");
    EXPECT_NE(print(), other_scenario);
}

TEST_F(bench_resume, a_part_that_was_begun_is_not_finished) {
    const marker mark(folder_, one_);
    mark.set(print(), 12.5);
    mark.clear();
    EXPECT_FALSE(mark.matches(print()));
    EXPECT_EQ(mark.seconds(), 12.5) << "the estimate for the next time";
}

TEST_F(bench_resume, a_broken_marker_is_none) {
    std::ofstream(folder_ / "pair.done.json") << "{\"made_with\": ";
    EXPECT_FALSE(marker(folder_, one_).matches(print()));
    EXPECT_EQ(marker(folder_, one_).seconds(), 0);
}

TEST(bench_estimate, in_words) {
    EXPECT_EQ(in_words(0), "about 5 s");
    EXPECT_EQ(in_words(61), "about 65 s");
    EXPECT_EQ(in_words(601), "about 11 min");
}

} // namespace
} // namespace xvsock::bench
