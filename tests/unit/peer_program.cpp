// SPDX-License-Identifier: MIT
// xvsock-peer as its users call it, against the fake xenstore: several pairs in one call, and errors on the
// way.
#include "peer_program.hpp"

#include <cerrno>
#include <chrono>
#include <thread>

namespace xvsock::peer {
namespace {

namespace fake = fake_xenstore;

class peer_program : public program_test {
protected:
    static bool linked(unsigned frontend, unsigned backend) {
        const auto& nodes = fake::store().nodes;
        const bool front = nodes.contains("/local/domain/" + std::to_string(frontend) + "/device/vsock/" +
                                          std::to_string(backend) + "/state");
        const bool back = nodes.contains("/local/domain/" + std::to_string(backend) + "/backend/vsock/" +
                                         std::to_string(frontend) + "/" + std::to_string(backend) + "/state");
        EXPECT_EQ(front, back);
        return front && back;
    }
};

TEST_F(peer_program, adds_and_removes_several_pairs) {
    EXPECT_EQ(run({"add", "alpha", "beta", "0", "gamma", "gamma", "alpha"}), 0);
    EXPECT_EQ(out_, "added: backend 1 (alpha), frontend 2 (beta)\n"
                    "added: backend 0 (Domain-0), frontend 3 (gamma)\n"
                    "added: backend 1 (alpha), frontend 3 (gamma)\n");
    EXPECT_EQ(err_, "");
    EXPECT_TRUE(linked(2, 1) && linked(3, 0) && linked(3, 1));
    EXPECT_FALSE(linked(3, 2));

    EXPECT_EQ(run({"remove", "beta", "alpha", "beta", "gamma", "3", "1"}), 0);
    EXPECT_EQ(out_, "removed: backend 1 (alpha), frontend 2 (beta)\n"
                    "there is no such link, nothing changed: backend 2 (beta), frontend 3 (gamma)\n"
                    "removed: backend 1 (alpha), frontend 3 (gamma)\n");
    EXPECT_FALSE(linked(2, 1) || linked(3, 1));
    EXPECT_TRUE(linked(3, 0));
}

TEST_F(peer_program, a_pair_named_twice_is_one_link) {
    EXPECT_EQ(run({"add", "1", "2", "beta", "alpha"}), 0);
    EXPECT_NE(out_.find("added"), std::string::npos);
    EXPECT_NE(out_.find("exists already"), std::string::npos);
}

TEST_F(peer_program, an_unknown_domain_in_any_pair_changes_nothing) {
    const auto before = fake::store().nodes;
    EXPECT_EQ(run({"add", "alpha", "beta", "alpha", "delta"}), 1);
    EXPECT_NE(err_.find("'delta'"), std::string::npos) << err_;
    EXPECT_NE(err_.find("Nothing was changed"), std::string::npos) << err_;
    EXPECT_EQ(run({"add", "alpha", "beta", "alpha", "7"}), 1);
    EXPECT_EQ(run({"add", "alpha", "beta", "gamma", "gamma"}), 1);
    EXPECT_EQ(out_, "");
    EXPECT_EQ(fake::store().nodes, before);
}

TEST_F(peer_program, a_pair_that_fails_leaves_those_before_it_whole) {
    // The last node of the second pair.
    fake::store().fail_path = "/local/domain/1/backend/vsock/3/1/state";
    fake::store().fail_error = ENOSPC;
    EXPECT_EQ(run({"add", "alpha", "beta", "alpha", "gamma", "beta", "gamma"}), 1);
    EXPECT_EQ(out_, "added: backend 1 (alpha), frontend 2 (beta)\n");
    EXPECT_NE(err_.find("quota"), std::string::npos) << err_;
    EXPECT_NE(err_.find("reported before were changed"), std::string::npos) << err_;
    EXPECT_TRUE(linked(2, 1));
    EXPECT_FALSE(linked(3, 1) || linked(3, 2));
    for (const auto& [path, ignored] : fake::store().nodes)
        EXPECT_FALSE(path.starts_with("/local/domain/1/backend/vsock/3")) << path;
}

TEST_F(peer_program, pairs_have_two_ends) {
    const auto before = fake::store().nodes;
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"add"},
                                               {"add", "1"},
                                               {"add", "1", "2", "3"},
                                               {"remove"},
                                               {"remove", "1", "2", "3"},
                                               {"list", "1"}}) {
        EXPECT_EQ(run(words), 2);
        EXPECT_NE(err_, "");
    }
    EXPECT_EQ(fake::store().nodes, before);
}

TEST_F(peer_program, a_xenstored_that_does_not_answer_is_given_up) {
    fake::delay = std::chrono::seconds(3);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(run({"--timeout", "1", "list"}), 1);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
    EXPECT_NE(err_.find("did not answer within 1 s"), std::string::npos) << err_;
    while (fake::connections != 0) // the client's thread still waits
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

} // namespace
} // namespace xvsock::peer
