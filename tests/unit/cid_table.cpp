// SPDX-License-Identifier: MIT
// CIDs by UUID, their file, and what is left of it when the disk is full or the program dies.
#include "daemon/cid_table.hpp"
#include "daemon/durable_file.hpp"

#include <csignal>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <system_error>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace xvsock::peer {
namespace {

std::string uuid(unsigned n) {
    return fmt::format("{:08x}-0000-4000-8000-000000000000", n);
}

cid_table some_table(unsigned domains) {
    cid_table table;
    for (unsigned n = 0; n < domains; ++n)
        table.give_next(uuid(n), {});
    return table;
}

TEST(cid_table, a_cid_is_given_once) {
    cid_table table;
    table.give_next(uuid(1), {});
    table.give_next(uuid(2), {first_given_cid + 1, first_given_cid + 2});
    EXPECT_EQ(table.find(uuid(1)), first_given_cid);
    EXPECT_EQ(table.find(uuid(2)), first_given_cid + 3);
    EXPECT_EQ(table.find(uuid(3)), std::nullopt);
}

TEST(cid_table, a_chosen_one_stays_its_domains) {
    cid_table table = some_table(1);
    table.give(uuid(0), 3);
    EXPECT_EQ(table.find(uuid(0)), 3U);
    EXPECT_THROW(table.give(uuid(1), 3), cid_taken);
    EXPECT_THROW(table.give(uuid(1), first_given_cid), cid_taken) << "what it had";
    table.give(uuid(0), first_given_cid);
    EXPECT_EQ(table.find(uuid(0)), first_given_cid);
    EXPECT_THROW(table.give(uuid(1), 3), cid_taken);
    table.give(uuid(1), first_given_cid + 1);
    table.give_next(uuid(2), {});
    EXPECT_EQ(table.find(uuid(2)), first_given_cid + 2);
    EXPECT_EQ(cid_table::parse(table.to_text()), table);
}

TEST(cid_table, what_is_forgotten_is_given_to_others_only_if_chosen) {
    cid_table table = some_table(2);
    table.give(uuid(0), 3);
    EXPECT_EQ(table.forget(uuid(0)), (std::vector<std::uint32_t>{3, first_given_cid}));
    EXPECT_EQ(table.forget(uuid(0)), std::vector<std::uint32_t>{});
    EXPECT_EQ(table.find(uuid(0)), std::nullopt);
    EXPECT_EQ(cid_table::parse(table.to_text()), table);
    table.give_next(uuid(2), {});
    EXPECT_EQ(table.find(uuid(2)), first_given_cid + 2);
    table.give(uuid(3), 3);
    EXPECT_EQ(table.owner_of(3), uuid(3));
}

TEST(cid_table, is_copied_only_to_be_changed) {
    const cid_table table = some_table(1);
    cid_draft draft(table);
    EXPECT_EQ(&draft.now(), &table);
    draft.change().give_next(uuid(1), {});
    EXPECT_EQ(draft.now().find(uuid(1)), first_given_cid + 1);
    EXPECT_EQ(draft.changed(), some_table(2));
    EXPECT_EQ(table, some_table(1));
}

TEST(cid_table, the_text_and_back) {
    for (const unsigned domains : {0U, 1U, 2U, 100U})
        EXPECT_EQ(cid_table::parse(some_table(domains).to_text()), some_table(domains));
}

TEST(cid_table, any_other_text_is_refused) {
    const std::string text = some_table(3).to_text();
    for (std::size_t length = 0; length < text.size(); ++length)
        EXPECT_THROW(cid_table::parse(text.substr(0, length)), cid_table_error) << length;
    for (std::size_t at = 0; at < text.size(); ++at)
        for (const char other : {'0', '7', 'f', '\n', ' ', '\0'}) {
            std::string changed = text;
            changed[at] = other;
            if (changed != text) {
                EXPECT_THROW(cid_table::parse(changed), cid_table_error) << changed;
            }
        }
    EXPECT_THROW(cid_table::parse(text + text), cid_table_error);
    EXPECT_THROW(cid_table::parse(text + "\n"), cid_table_error);
}

class cid_file : public testing::Test {
protected:
    void SetUp() override {
        std::string name = (std::filesystem::temp_directory_path() / "cids-XXXXXX").string();
        ASSERT_TRUE(mkdtemp(name.data()));
        folder_ = name;
        file_ = name + "/cids";
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    void save(const cid_table& table) const { replace_file(file_, table.to_text(), durability::machine); }
    cid_table load() const { return cid_table::parse(read_file(file_).value()); }

    std::filesystem::path folder_;
    std::string file_;
};

TEST_F(cid_file, is_there_or_not) {
    EXPECT_EQ(read_file(file_), std::nullopt);
    save(some_table(500));
    EXPECT_EQ(load(), some_table(500));
    EXPECT_THROW(read_file(folder_), std::system_error);
    EXPECT_THROW(replace_file(folder_ / "no/such/folder", "", durability::machine), std::system_error);
}

// A limit on the size of files stands for a full disk: the write is cut off where it is.
TEST_F(cid_file, a_full_disk_at_any_byte) {
    save(some_table(2));
    const auto size = some_table(4).to_text().size();
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit old{};
    getrlimit(RLIMIT_FSIZE, &old);
    for (std::size_t room = 0; room < size; ++room) {
        const rlimit small{room, old.rlim_max};
        setrlimit(RLIMIT_FSIZE, &small);
        EXPECT_THROW(save(some_table(4)), std::system_error) << room;
        setrlimit(RLIMIT_FSIZE, &old);
        ASSERT_EQ(load(), some_table(2)) << room;
        ASSERT_FALSE(std::filesystem::exists(file_ + ".new")) << room;
    }
    save(some_table(4));
    EXPECT_EQ(load(), some_table(4));
}

// The signal comes in the write that goes beyond the limit, and kills.
TEST_F(cid_file, a_kill_at_any_byte) {
    save(some_table(2));
    const auto size = some_table(4).to_text().size();
    for (std::size_t room = 0; room < size; ++room) {
        const pid_t child = fork();
        if (child == 0) {
            std::signal(SIGXFSZ, SIG_DFL);
            const rlimit small{room, room};
            setrlimit(RLIMIT_FSIZE, &small);
            const rlimit no_core{0, 0};
            setrlimit(RLIMIT_CORE, &no_core);
            replace_file(file_, some_table(4).to_text(), durability::machine);
            _exit(0);
        }
        int status = 0;
        waitpid(child, &status, 0);
        EXPECT_TRUE(WIFSIGNALED(status)) << room;
        EXPECT_EQ(std::filesystem::file_size(file_ + ".new"), room);
        ASSERT_EQ(load(), some_table(2)) << room;
    }
    save(some_table(4)); // over what the dead left
    EXPECT_EQ(load(), some_table(4));
}

} // namespace
} // namespace xvsock::peer
