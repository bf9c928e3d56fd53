// SPDX-License-Identifier: MIT
// What is the same in the command lines of all subcommands.
#include "command_line.hpp"
#include "subcommand.hpp"

#include <gtest/gtest.h>

#include <iostream>

namespace xvsock {
namespace {

using words = std::vector<std::string>;

TEST(command_line, json_takes_a_file_or_none) {
    EXPECT_EQ(join_json_file({"--json"}), words{"--json"});
    EXPECT_EQ(join_json_file({"--json", "file", "--watch", "1"}), (words{"--json=file", "--watch", "1"}));
    EXPECT_EQ(join_json_file({"--cid", "3", "--json", "-"}), (words{"--cid", "3", "--json=-"}));
    EXPECT_EQ(join_json_file({"--json", "--watch", "1"}), (words{"--json", "--watch", "1"}));
    EXPECT_EQ(join_json_file({"--json=file", "x"}), (words{"--json=file", "x"}));
    EXPECT_EQ(join_json_file({}), words{});
}

TEST(command_line, options_and_words_in_any_order) {
    bool json = false;
    std::string count;
    command_line line("Usage: test\n", "");
    line.add_options()("json", boost::program_options::bool_switch(&json),
                       "")("count,c", boost::program_options::value(&count), "");
    EXPECT_TRUE(line.read({"a", "-c", "3", "b", "--json", "--", "-c"}));
    EXPECT_TRUE(json);
    EXPECT_EQ(count, "3");
    EXPECT_EQ(line.words(), (words{"a", "b", "-c"}));
}

TEST(command_line, help_is_shown_whatever_else_there_is) {
    for (const char* help : {"-h", "--help"}) {
        command_line line("Usage: test\n", "Exit status: 0.\n");
        testing::internal::CaptureStdout();
        EXPECT_FALSE(line.read({"word", help}));
        std::cout.flush();
        const std::string shown = testing::internal::GetCapturedStdout();
        EXPECT_EQ(shown.find("Usage: test\n\nOptions:\n"), 0U) << shown;
        EXPECT_TRUE(shown.ends_with("Exit status: 0.\n")) << shown;
    }
}

TEST(command_line, an_unknown_option_is_refused) {
    command_line line("Usage: test\n", "");
    EXPECT_THROW(line.read({"--unknown"}), boost::program_options::error);
}

TEST(command_line, times_are_in_seconds) {
    EXPECT_EQ(seconds_option{"0.5"}.value("timeout"), std::chrono::milliseconds(500));
    EXPECT_THROW(seconds_option{"soon"}.value("timeout"), usage_error);
    EXPECT_THROW(seconds_option{"0"}.value("timeout"), usage_error);
}

} // namespace
} // namespace xvsock
