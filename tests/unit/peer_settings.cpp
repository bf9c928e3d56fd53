// SPDX-License-Identifier: MIT
// What dom0 tells the two ends of a link: written, read back, changed, and not believed from anybody else.
#include "peer_fake_xenstore.hpp"
#include "peer_link.hpp"
#include "peer_transact.hpp"

#include <gtest/gtest.h>

namespace xvsock::peer {
namespace {

namespace fake = fake_xenstore;

class peer_settings : public testing::Test {
protected:
    void SetUp() override {
        fake::reset();
        fake::add_domain(1, "alpha");
        fake::add_domain(2, "beta");
    }

    static void add(const link_settings& settings) {
        xenstore::transact([&](const xenstore::view& view) {
            std::vector<std::string> ignored;
            add_link(view, make_layout({1, 2}, settings), ignored);
        });
    }
    static std::vector<std::string> mend(const link_settings& settings) {
        return xenstore::transact([&](const xenstore::view& view) {
            return mend_settings(view, make_layout({1, 2}, settings));
        });
    }
    static std::optional<link_settings> read() {
        return xenstore::transact([](const xenstore::view& view) { return read_settings(view, {1, 2}); });
    }

    static link_settings some() {
        return {.made_by = by_daemon,
                .backend = {.peer_name = "beta",
                            .cid = 65536,
                            .peer_cid = 65537,
                            .accept = "22,80-90",
                            .max_connections = 5,
                            .max_memory = 1ULL << 33,
                            .domain_max_connections = 40,
                            .domain_max_memory = 1ULL << 34},
                .frontend = {.peer_name = "alpha",
                             .cid = 65537,
                             .peer_cid = 65536,
                             .accept = "none",
                             .max_connections = {},
                             .max_memory = {},
                             .domain_max_connections = {},
                             .domain_max_memory = {}}};
    }

    static constexpr const char* front = "/local/domain/2/device/vsock/1";
    static constexpr const char* back = "/local/domain/1/backend/vsock/2/1";
};

TEST_F(peer_settings, as_text_and_back) {
    EXPECT_EQ(read(), std::nullopt);
    add(some());
    const auto& nodes = fake::store().nodes;
    const std::string half = back;
    EXPECT_EQ(nodes.at(half + "/accept").value, "22,80-90");
    EXPECT_EQ(nodes.at(half + "/max-memory").value, "8589934592");
    EXPECT_EQ(nodes.at(half + "/domain-max-memory").value, "17179869184");
    EXPECT_EQ(to_string(nodes.at(half + "/accept").access), "n0 r1") << "not the peer";
    EXPECT_EQ(to_string(nodes.at(std::string(front) + "/cid").access), "n0 r2");
    EXPECT_EQ(read(), some());
}

TEST_F(peer_settings, a_link_without_a_mark_was_made_by_hand) {
    add({});
    EXPECT_EQ(read(), link_settings{});
    for (const char* half : {front, back})
        fake::store().nodes.erase(std::string(half) + "/made-by");
    EXPECT_EQ(read()->made_by, by_hand);
}

TEST_F(peer_settings, one_half_is_enough_to_know_who_made_it) {
    for (const char* half : {front, back}) {
        add(some());
        fake::remove(half);
        EXPECT_EQ(read()->made_by, by_daemon) << half;
    }
}

TEST_F(peer_settings, change_and_nothing_else) {
    add(some());
    fake::put(std::string(front) + "/state", "4");
    fake::put(std::string(front) + "/ring-ref", "8");
    link_settings other = some();
    other.backend.accept = "any";
    other.backend.max_memory.reset();
    other.frontend.max_connections = 7;
    other.frontend.peer_name.clear();
    EXPECT_EQ(mend(other).size(), 4U);
    EXPECT_EQ(read(), other);
    EXPECT_FALSE(fake::has(std::string(back) + "/max-memory"));
    EXPECT_EQ(fake::store().nodes.at(std::string(front) + "/state").value, "4");
    EXPECT_TRUE(fake::has(std::string(front) + "/ring-ref"));
    EXPECT_EQ(mend(other).size(), 0U);
}

// A domain may make nodes of any name in its half, where dom0 has made none.
TEST_F(peer_settings, a_domains_own_nodes_are_not_believed) {
    add({});
    for (const char* key : {"/accept", "/cid", "/max-memory"}) {
        fake::put(std::string(front) + key, "5");
        fake::store().nodes[std::string(front) + key].access = xenstore::owned_by(2, {1});
    }
    EXPECT_EQ(read(), link_settings{});
    EXPECT_EQ(mend({}).size(), 3U);
    EXPECT_FALSE(fake::has(std::string(front) + "/cid"));
}

} // namespace
} // namespace xvsock::peer
