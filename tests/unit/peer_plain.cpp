// SPDX-License-Identifier: MIT
// Links to domains without the module: their nodes, and what xvsock-peer says.
#include "peer_program.hpp"
#include "plain_link.hpp"

namespace xvsock::peer {
namespace {

namespace fake = fake_xenstore;

class peer_plain : public program_test {
protected:
    int run(std::vector<std::string> words) {
        const int status = program_test::run(std::move(words));
        said_ = out_ + err_;
        return status;
    }

    static std::string value_of(const std::string& path) { return fake::store().nodes.at(path).value; }
    static std::string access_of(const std::string& path) {
        return to_string(fake::store().nodes.at(path).access);
    }
    static std::size_t nodes_of_links() {
        std::size_t count = 0;
        for (const auto& [path, node] : fake::store().nodes)
            count +=
                path.find("/vchan") != std::string::npos || path.find("/data/vsock") != std::string::npos;
        return count;
    }

    static constexpr const char* device = "/local/domain/1/device/vchan/2";
    std::string said_;
};

TEST(peer_ports, are_numbers_in_order_and_each_once) {
    EXPECT_EQ(parse_ports("22", false), "22");
    EXPECT_EQ(parse_ports("80,22,80", false), "22 80");
    EXPECT_EQ(parse_ports("0,4294967294", false), "0 4294967294");
    EXPECT_EQ(parse_ports("any", true), "any");
    for (const char* wrong : {"", ",", "22,", "a", "-1", "1-3", "22 80", "4294967295", "4294967296", "any"})
        EXPECT_THROW(parse_ports(wrong, false), port_error) << wrong;
    EXPECT_THROW(parse_ports("any,22", true), port_error);

    std::string many = "1";
    for (int port = 2; port <= 64; ++port)
        many += "," + std::to_string(port);
    EXPECT_NO_THROW(parse_ports(many, false));
    EXPECT_THROW(parse_ports(many + ",65", false), port_error);
}

TEST_F(peer_plain, the_ports_and_who_is_meant_are_dom0s) {
    ASSERT_EQ(run({"add", "--plain", "alpha", "beta", "--accept", "80,22", "--connect", "any"}), 0) << said_;
    const std::string half = device;
    EXPECT_EQ(value_of(half + "/accept"), "22 80");
    EXPECT_EQ(value_of(half + "/connect"), "any");
    EXPECT_EQ(value_of(half + "/backend"), "/local/domain/2/vchan/1");
    EXPECT_EQ(value_of(half + "/peer-name"), "beta");
    EXPECT_EQ(value_of("/local/domain/2/vchan/1/state"), "4");
    for (const char* key : {"/accept", "/connect", "/backend", "/backend-id", "/peer-name"})
        EXPECT_EQ(access_of(half + key), to_string(xenstore::owned_by(0, {1}))) << key;
    EXPECT_EQ(access_of("/local/domain/2/vchan/1/state"), to_string(xenstore::owned_by(0, {1})));
    // What the module offers there the other can read, and nobody else.
    EXPECT_EQ(access_of("/local/domain/1/data/vsock/2"), to_string(xenstore::owned_by(1, {2})));
}

TEST_F(peer_plain, is_added_once_changed_and_removed) {
    const auto before = nodes_of_links();
    EXPECT_EQ(run({"add", "--plain", "1", "2", "--accept", "22"}), 0);
    EXPECT_NE(said_.find("added: with the module 1 (alpha), without 2 (beta)"), std::string::npos) << said_;
    fake::put(std::string(device) + "/state", "4"); // the module's
    EXPECT_EQ(run({"add", "--plain", "1", "2", "--accept", "22"}), 0);
    EXPECT_NE(said_.find("exists already"), std::string::npos) << said_;
    EXPECT_EQ(run({"add", "--plain", "1", "2", "--accept", "80"}), 0);
    EXPECT_NE(said_.find("changed"), std::string::npos) << said_;
    EXPECT_EQ(value_of(std::string(device) + "/accept"), "80");
    EXPECT_EQ(value_of(std::string(device) + "/state"), "4");

    fake::put("/local/domain/1/data/vsock/2/80/ring-ref", "8"); // an offer
    EXPECT_EQ(run({"remove", "--plain", "1", "2"}), 0);
    EXPECT_EQ(nodes_of_links(), before);
    EXPECT_EQ(run({"remove", "--plain", "1", "2"}), 0);
    EXPECT_NE(said_.find("no such link"), std::string::npos) << said_;
}

TEST_F(peer_plain, two_domains_have_one_kind_of_link) {
    EXPECT_EQ(run({"add", "1", "2"}), 0);
    EXPECT_EQ(run({"add", "--plain", "2", "1", "--accept", "22"}), 1);
    EXPECT_NE(said_.find("peer link already"), std::string::npos) << said_;
    EXPECT_EQ(run({"remove", "1", "2"}), 0);
    EXPECT_EQ(run({"add", "--plain", "2", "1", "--accept", "22"}), 0);
    EXPECT_EQ(run({"add", "1", "2"}), 1);
    EXPECT_NE(said_.find("plain link already"), std::string::npos) << said_;
    EXPECT_EQ(run({"add", "--plain", "1", "2", "--accept", "22"}), 1);
    EXPECT_NE(said_.find("as the one with the module"), std::string::npos) << said_;
}

TEST_F(peer_plain, what_is_left_of_one_is_seen_and_removed) {
    const auto before = nodes_of_links();
    EXPECT_EQ(run({"add", "--plain", "1", "2", "--accept", "22"}), 0);
    for (auto one = fake::store().nodes.begin(); one != fake::store().nodes.end();)
        one = one->first.starts_with("/local/domain/1/device/vchan") ? fake::store().nodes.erase(one) : ++one;
    EXPECT_EQ(run({"list", "--plain"}), 0);
    EXPECT_NE(said_.find("/local/domain/1/device/vchan/2 is missing"), std::string::npos) << said_;
    EXPECT_EQ(run({"add", "1", "2"}), 1);
    EXPECT_EQ(run({"remove", "--plain", "1", "2"}), 0);
    EXPECT_EQ(nodes_of_links(), before);
}

TEST_F(peer_plain, is_listed_with_what_is_wrong_with_it) {
    EXPECT_EQ(run({"list", "--plain"}), 0);
    EXPECT_EQ(said_, "There are no plain links.\n");
    EXPECT_EQ(run({"add", "--plain", "1", "0", "--accept", "22,23", "--connect", "5"}), 0);
    EXPECT_EQ(run({"list", "--plain", "--json"}), 0);
    EXPECT_EQ(
        said_,
        R"([{"module":{"domid":1,"name":"alpha","cid":3,"state":"Initialising"},)"
        R"("plain":{"domid":0,"name":"Domain-0","cid":2},"connect":[5],"accept":[22,23],"problems":[]}])"
        "\n");
    fake::store().nodes.erase("/local/domain/0/vchan/1/state");
    EXPECT_EQ(run({"list", "--plain"}), 0);
    EXPECT_NE(said_.find("damaged: with the module 1 (alpha), without 0 (Domain-0): "
                         "/local/domain/0/vchan/1/state is missing"),
              std::string::npos)
        << said_;
    EXPECT_EQ(run({"add", "--plain", "1", "0", "--accept", "22,23", "--connect", "5"}), 0);
    EXPECT_NE(said_.find("changed"), std::string::npos) << said_;
}

TEST_F(peer_plain, wrong_words_change_nothing) {
    const auto before = fake::store().nodes.size();
    const std::vector<std::pair<std::vector<std::string>, int>> wrong{
        {{"add", "--plain", "1", "2"}, 2},
        {{"add", "--plain", "1", "--accept", "22"}, 2},
        {{"add", "--plain", "1", "2", "1", "0", "--accept", "22"}, 2},
        {{"add", "--plain", "1", "2", "--accept", "any"}, 2},
        {{"add", "--plain", "1", "2", "--accept", "ssh"}, 2},
        {{"add", "1", "2", "--accept", "22"}, 2},
        {{"list", "--plain", "--accept", "22"}, 2},
        {{"add", "--plain", "1", "1", "--accept", "22"}, 1},
        {{"add", "--plain", "1", "delta", "--accept", "22"}, 1},
        {{"add", "--plain", "1", "9", "--accept", "22"}, 1},
    };
    for (const auto& [words, status] : wrong)
        EXPECT_EQ(run(words), status) << testing::PrintToString(words) << said_;
    EXPECT_EQ(fake::store().nodes.size(), before);
}

} // namespace
} // namespace xvsock::peer
