// SPDX-License-Identifier: MIT
// A file that is not complete yet.
#include "transfer_folder.hpp"

#include <gtest/gtest.h>

#include <optional>

#include <sys/stat.h>
#include <unistd.h>

namespace xvsock::transfer {
namespace {

std::span<const unsigned char> view(const std::string& text) {
    return {reinterpret_cast<const unsigned char*>(text.data()), text.size()};
}

std::string why_not(const test_folder& folder, const std::string& name, bool may_replace = false,
                    std::uint64_t size = 1) {
    try {
        const partial_file file(folder.fd(), name, size, may_replace);
        return "";
    } catch (const refused& error) {
        return error.what();
    }
}

TEST(partial_file, becomes_the_file_with_its_mode) {
    const test_folder folder;
    {
        partial_file file(folder.fd(), "f", 3, false);
        file.write(view("abc"));
        EXPECT_EQ(folder.mode("f.part"), 0600U);
        file.commit(0750);
    }
    EXPECT_EQ(folder.get("f"), "abc");
    EXPECT_EQ(folder.mode("f"), 0750U);
    EXPECT_FALSE(folder.has("f.part"));
}

TEST(partial_file, keeps_what_it_holds) {
    const test_folder folder;
    { partial_file(folder.fd(), "f", 3, false).write(view("ab")); }
    EXPECT_EQ(folder.get("f.part"), "ab");
    partial_file again(folder.fd(), "f", 3, false);
    EXPECT_EQ(again.size(), 2U);
    again.write(view("c"));
    EXPECT_EQ(folder.get("f.part"), "abc");
    again.clear();
    again.write(view("x"));
    EXPECT_EQ(folder.get("f.part"), "x");
}

TEST(partial_file, leaves_nothing_when_it_holds_nothing) {
    const test_folder folder;
    { const partial_file file(folder.fd(), "f", 3, false); }
    EXPECT_FALSE(folder.has("f.part"));
    partial_file file(folder.fd(), "f", 3, false);
    file.write(view("abc"));
    file.discard();
    EXPECT_FALSE(folder.has("f.part"));
}

TEST(partial_file, does_not_replace_unless_it_may) {
    const test_folder folder;
    folder.put("f", "old");
    std::filesystem::create_directory(folder / "d");
    EXPECT_EQ(why_not(folder, "f"), "it exists already; recv --force replaces");
    EXPECT_EQ(why_not(folder, "f", true), "");
    EXPECT_EQ(why_not(folder, "d", true), "a folder has this name");
    EXPECT_FALSE(folder.has("f.part"));
    std::filesystem::create_symlink("nowhere", folder / "link");
    EXPECT_NE(why_not(folder, "link"), "") << "a name that leads nowhere is taken, too";
}

TEST(partial_file, a_file_that_comes_meanwhile_stays) {
    const test_folder folder;
    partial_file file(folder.fd(), "f", 3, false);
    file.write(view("new"));
    folder.put("f", "old");
    EXPECT_THROW(file.commit(0644), refused);
    EXPECT_EQ(folder.get("f"), "old");
    EXPECT_TRUE(folder.has("f.part"));
}

TEST(partial_file, is_one_sender_s_at_a_time) {
    const test_folder folder;
    std::optional<partial_file> first(std::in_place, folder.fd(), "f", 3, false);
    EXPECT_EQ(why_not(folder, "f"), "it is being received already");
    first.reset();
    EXPECT_EQ(why_not(folder, "f"), "");
}

TEST(partial_file, is_no_link_and_no_fifo) {
    const test_folder folder;
    folder.put("target", "precious");
    std::filesystem::create_symlink("target", folder / "f.part");
    EXPECT_NE(why_not(folder, "f"), "");
    EXPECT_EQ(folder.get("target"), "precious");
    ASSERT_EQ(::mkfifo((folder / "g.part").c_str(), 0600), 0);
    EXPECT_EQ(why_not(folder, "g"), "g.part is no regular file");
}

TEST(partial_file, needs_room) {
    const test_folder folder;
    const auto text = why_not(folder, "f", false, std::uint64_t{1} << 60U);
    EXPECT_EQ(text.find("the disk has room for "), 0U) << text;
    EXPECT_FALSE(folder.has("f.part"));
}

} // namespace
} // namespace xvsock::transfer
