// SPDX-License-Identifier: MIT
#include "stat/counters.hpp"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <stdexcept>

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace xvsock::counters {
namespace {

/// What reading fails with; a failure when it does not.
template <typename Function> std::string error_of(Function&& function) {
    try {
        function();
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    ADD_FAILURE() << "nothing was wrong";
    return "";
}

TEST(stat_parse, fields_keep_their_order_and_kind) {
    const auto entries = parse_entries("cid=3 domid=1 state=established tx_bytes=18446744073709551615\n"
                                       "cid=4 empty= later_key=0x7f\n",
                                       "f", {"cid"});
    ASSERT_EQ(entries.size(), 2u);
    EXPECT_EQ(entries[0].number("tx_bytes"), UINT64_MAX);
    EXPECT_EQ(entries[0].text("state"), "established");
    EXPECT_EQ(entries[0].number("state"), std::nullopt);
    EXPECT_EQ(entries[0].text("tx_bytes"), "18446744073709551615");
    EXPECT_EQ(entries[0].text("missing"), "-");
    const std::vector<field> second{
        {"cid", std::uint64_t{4}}, {"empty", std::string()}, {"later_key", std::string("0x7f")}};
    EXPECT_EQ(entries[1].fields, second);
}

TEST(stat_parse, no_peers_are_no_error) {
    EXPECT_TRUE(parse_entries("", "f", {"cid"}).empty());
    EXPECT_EQ(parse_entries("cid=3", "f", {"cid"}).size(), 1u) << "the last line may lack its end";
}

TEST(stat_parse, a_line_that_cannot_be_read_is_named) {
    const auto error = [](const std::string& line) {
        return error_of([&] { parse_entries("cid=1\n" + line + "\ncid=9\n", "FILE", {"cid"}); });
    };
    EXPECT_EQ(error("cid=2 nonsense"), "FILE: line 2: 'nonsense' is not KEY=VALUE");
    EXPECT_EQ(error("cid=2 =5"), "FILE: line 2: '=5' is not KEY=VALUE");
    EXPECT_EQ(error("cid=2 a=1 a=2"), "FILE: line 2: 'a' comes twice");
    EXPECT_EQ(error("cid=2 a=18446744073709551616"),
              "FILE: line 2: 'a=18446744073709551616' is too large a number");
    EXPECT_EQ(error("domid=2"), "FILE: line 2: 'cid' is missing");
    EXPECT_EQ(error("cid=two"), "FILE: line 2: 'cid' is not a number");
    EXPECT_EQ(error(""), "FILE: line 2: 'cid' is missing");
}

TEST(stat_parse, both_files_have_their_names) {
    EXPECT_EQ(error_of([] { parse_snapshot("x", ""); }), "xvsock/peers: line 1: 'x' is not KEY=VALUE");
    EXPECT_EQ(error_of([] { parse_snapshot("", "cid=3"); }), "xvsock/connections: line 1: 'id' is missing");
}

TEST(stat_filter, keeps_what_is_asked_for) {
    auto all = parse_snapshot("cid=2\ncid=3\ncid=4\n", "cid=2 id=1\ncid=4 id=1\ncid=4 id=2\n");
    keep_cids(all, {});
    EXPECT_EQ(all.peers.size(), 3u);
    keep_cids(all, {4, 3});
    EXPECT_EQ(all.peers.size(), 2u);
    EXPECT_EQ(all.connections.size(), 2u);
    keep_cids(all, {77});
    EXPECT_TRUE(all.peers.empty() && all.connections.empty());
}

TEST(stat_total, adds_what_can_be_added) {
    const auto total = total_of(
        parse_snapshot(
            "cid=3 domid=1 initiated=2 tx_bytes=10 new_key=1\ncid=4 domid=2 initiated=3 tx_bytes=5\n", "")
            .peers);
    EXPECT_EQ(total.number("initiated"), 5u);
    EXPECT_EQ(total.number("tx_bytes"), 15u);
    for (const char* key : {"cid", "domid", "new_key", "rx_bytes"})
        EXPECT_EQ(total.text(key), "-") << key;
}

TEST(stat_rate, of_the_same_connection_only) {
    const auto older = parse_snapshot("", "cid=3 id=1 role=initiator tx_bytes=100\n"
                                          "cid=3 id=1 role=acceptor tx_bytes=7\n"
                                          "cid=4 id=1 role=initiator tx_bytes=900\n")
                           .connections;
    const auto now = parse_snapshot("", "cid=3 id=1 role=initiator tx_bytes=150 spin_ns=4\n"
                                        "cid=4 id=1 role=initiator tx_bytes=20\n"
                                        "cid=3 id=2 role=initiator tx_bytes=20\n")
                         .connections;
    ASSERT_EQ(find_older(now[0], older), &older[0]);
    EXPECT_EQ(rate_of("tx_bytes", now[0], older[0], 2), 25);
    EXPECT_EQ(rate_of("rx_bytes", now[0], older[0], 2), std::nullopt);
    EXPECT_EQ(rate_of("tx_bytes", now[0], older[0], 0), std::nullopt);
    EXPECT_EQ(find_older(now[1], older), nullptr) << "its counter went back, so it is another one";
    EXPECT_EQ(find_older(now[2], older), nullptr);
    EXPECT_TRUE(is_cumulative("kicks"));
    EXPECT_FALSE(is_cumulative("spin_ns"));
}

class stat_files : public testing::Test {
protected:
    void SetUp() override {
        std::string name = (std::filesystem::temp_directory_path() / "xvsock-stat-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name;
    }

    void TearDown() override { std::filesystem::remove_all(folder_); }

    void write(const char* peers, const char* connections) {
        std::filesystem::create_directory(folder_ / "xvsock");
        std::ofstream(folder_ / "xvsock" / "peers") << peers;
        std::ofstream(folder_ / "xvsock" / "connections") << connections;
    }

    std::string error() {
        return error_of([this] { read_snapshot(folder_); });
    }

    std::filesystem::path folder_;
};

TEST_F(stat_files, are_read) {
    write("cid=3 domid=1\n", "cid=3 id=1 role=acceptor\n");
    const auto read = read_snapshot(folder_);
    ASSERT_EQ(read.peers.size(), 1u);
    ASSERT_EQ(read.connections.size(), 1u);
    EXPECT_EQ(read.connections[0].text("role"), "acceptor");
    write("", "");
    EXPECT_TRUE(read_snapshot(folder_).peers.empty());
}

TEST_F(stat_files, what_is_missing_is_explained) {
    const std::string hint =
        "debugfs is not mounted there; mount it with 'mount -t debugfs none " + folder_.string() + "'";
    EXPECT_EQ(error(), "cannot read " + (folder_ / "xvsock/peers").string() + ": " + hint);
    folder_ /= "deeper";
    EXPECT_NE(error().find("debugfs is not mounted there"), std::string::npos);
    folder_ = folder_.parent_path();
    std::filesystem::create_directories(folder_ / "xvsock/peers");
    EXPECT_NE(error().find("not a readable file"), std::string::npos);
}

TEST_F(stat_files, other_users_are_told_who_may) {
    write("cid=3\n", "");
    chmod((folder_ / "xvsock").c_str(), 0700);
    // In a child, because there is no way back from being nobody.
    EXPECT_EXIT(
        {
            if (geteuid() == 0 && setuid(65534) != 0)
                _exit(2);
            if (getuid() != 65534) // not root: then the folder has to be closed for its owner
                chmod((folder_ / "xvsock").c_str(), 0);
            _exit(error().ends_with("only root may; try it with sudo") ? 0 : 1);
        },
        testing::ExitedWithCode(0), "");
    chmod((folder_ / "xvsock").c_str(), 0700);
}

} // namespace
} // namespace xvsock::counters
