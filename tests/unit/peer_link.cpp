// SPDX-License-Identifier: MIT
// The layout of a peer link, and making, mending, removing and listing links in a fake xenstore.
#include "peer_link.hpp"
#include "peer_fake_xenstore.hpp"
#include "peer_transact.hpp"

#include <gtest/gtest.h>
#include <set>

namespace xvsock::peer {
namespace {

namespace fake = fake_xenstore;

class peer_link : public testing::Test {
protected:
    void SetUp() override {
        fake::reset();
        fake::add_domain(0, "Domain-0");
        fake::add_domain(1, "alpha");
        fake::add_domain(2, "beta");
    }

    add_result add(domid a, domid b) {
        add_result result{};
        xenstore::transact([&](const xenstore::view& view) {
            result = add_link(view, make_layout(make_ends(a, b)), problems_);
        });
        return result;
    }

    bool remove(domid a, domid b) {
        bool result = false;
        xenstore::transact(
            [&](const xenstore::view& view) { result = remove_link(view, make_layout(make_ends(a, b))); });
        return result;
    }

    std::vector<link_status> list() {
        std::vector<link_status> links;
        xenstore::transact([&](const xenstore::view& view) { links = list_links(view); });
        return links;
    }

    static std::string access_of(const std::string& path) {
        return to_string(fake::store().nodes.at(path).access);
    }

    static constexpr const char* front = "/local/domain/2/device/vsock/1";
    static constexpr const char* back = "/local/domain/1/backend/vsock/2/1";

    std::vector<std::string> problems_;
};

TEST(peer_ends, the_older_domain_is_the_backend) {
    EXPECT_EQ(make_ends(2, 1), (link_ends{.backend = 1, .frontend = 2}));
    EXPECT_EQ(make_ends(1, 2), make_ends(2, 1));
    EXPECT_EQ(make_ends(7, 0).backend, 0);
    EXPECT_THROW(make_ends(3, 3), domain_error);
}

TEST(peer_layout, nobody_but_the_two_and_dom0_sees_a_link) {
    for (const auto ends : {link_ends{1, 2}, link_ends{0, 5}, link_ends{3, 9}}) {
        const link_layout layout = make_layout(ends);
        const std::set<domid> allowed{0, ends.backend, ends.frontend};
        auto all = layout.nodes;
        all.insert(all.end(), layout.parents.begin(), layout.parents.end());
        for (const wanted_node& node : all) {
            EXPECT_EQ(node.access.front().granted, xenstore::access::none) << node.path;
            for (std::size_t i = 0; i < node.access.size(); ++i) {
                EXPECT_TRUE(allowed.contains(node.access[i].domain)) << node.path;
                EXPECT_TRUE(i == 0 || node.access[i].granted == xenstore::access::read) << node.path;
            }
        }
    }
}

TEST(peer_layout, who_the_peer_is_only_dom0_writes) {
    int seen = 0;
    for (const wanted_node& node : make_layout({1, 2}).nodes) {
        const auto key = node.path.substr(node.path.rfind('/') + 1);
        if (key != "backend" && key != "backend-id" && key != "frontend" && key != "frontend-id")
            continue;
        EXPECT_EQ(to_string(node.access), "n0 r2 r1");
        EXPECT_FALSE(node.changes);
        ++seen;
    }
    EXPECT_EQ(seen, 4);
}

TEST_F(peer_link, add_writes_both_halves) {
    EXPECT_EQ(add(2, 1), add_result::added);
    const auto& nodes = fake::store().nodes;
    const std::string f = front, b = back;
    EXPECT_EQ(nodes.at(f + "/backend").value, b);
    EXPECT_EQ(nodes.at(f + "/backend-id").value, "1");
    EXPECT_EQ(nodes.at(f + "/state").value, "1");
    EXPECT_EQ(nodes.at(b + "/frontend").value, f);
    EXPECT_EQ(nodes.at(b + "/frontend-id").value, "2");
    EXPECT_EQ(nodes.at(b + "/state").value, "1");
    EXPECT_EQ(nodes.at(b + "/online").value, "1");
    EXPECT_EQ(access_of(f), "n2 r1");
    EXPECT_EQ(access_of(f + "/state"), "n2 r1");
    EXPECT_EQ(access_of(b), "n1 r2");
    EXPECT_EQ(access_of(b + "/state"), "n1 r2");
    EXPECT_EQ(access_of("/local/domain/2/device/vsock"), "n0 r2");
    EXPECT_EQ(access_of("/local/domain/1/backend"), "n0 r1");
    EXPECT_EQ(access_of("/local/domain/1/backend/vsock"), "n0 r1");
    EXPECT_EQ(access_of("/local/domain/1/backend/vsock/2"), "n0 r1");
    EXPECT_EQ(fake::store().commits, 1u) << "one transaction";
}

TEST_F(peer_link, existing_parents_keep_their_permissions) {
    fake::put("/local/domain/1/backend/vsock");
    fake::store().nodes["/local/domain/1/backend/vsock"].access = {{0, xenstore::access::none}};
    fake::store().nodes["/local/domain/1/backend"].access = {{0, xenstore::access::none},
                                                             {9, xenstore::access::both}};
    add(1, 2);
    EXPECT_EQ(access_of("/local/domain/1/backend"), "n0 b9");
    EXPECT_EQ(access_of("/local/domain/1/backend/vsock"), "n0");
}

TEST_F(peer_link, adding_again_changes_nothing) {
    add(1, 2);
    // The drivers have been at work.
    fake::put(std::string(front) + "/state", "4");
    fake::put(std::string(front) + "/ring-ref", "8");
    const auto before = fake::store().nodes;
    EXPECT_EQ(add(1, 2), add_result::existed);
    EXPECT_EQ(add(2, 1), add_result::existed);
    EXPECT_EQ(fake::store().nodes, before);
}

TEST_F(peer_link, every_damage_is_found_and_mended) {
    add(1, 2);
    const auto whole = fake::store().nodes;
    for (const wanted_node& node : make_layout({1, 2}).nodes) {
        // missing
        std::erase_if(fake::store().nodes, [&](const auto& one) { return one.first.starts_with(node.path); });
        EXPECT_EQ(add(1, 2), add_result::repaired) << node.path;
        EXPECT_FALSE(problems_.empty());
        EXPECT_EQ(fake::store().nodes, whole) << node.path;
        // forged
        fake::store().nodes[node.path].value = "/evil";
        EXPECT_EQ(add(1, 2), node.changes ? add_result::existed : add_result::repaired) << node.path;
        fake::store().nodes[node.path].value = whole.at(node.path).value;
        EXPECT_EQ(fake::store().nodes, whole) << node.path;
        // open to others
        fake::store().nodes[node.path].access.push_back({9, xenstore::access::read});
        EXPECT_EQ(add(1, 2), add_result::repaired) << node.path;
        EXPECT_EQ(fake::store().nodes, whole) << node.path;
    }
}

TEST_F(peer_link, mending_leaves_a_drivers_state) {
    add(1, 2);
    fake::put(std::string(back) + "/state", "4");
    fake::store().nodes.erase(std::string(front) + "/backend-id");
    EXPECT_EQ(add(1, 2), add_result::repaired);
    EXPECT_EQ(fake::store().nodes.at(std::string(back) + "/state").value, "4");
}

TEST_F(peer_link, removing_leaves_no_trace) {
    const auto before = fake::store().nodes;
    add(1, 2);
    EXPECT_TRUE(remove(2, 1));
    EXPECT_EQ(fake::store().nodes, before);
    EXPECT_FALSE(remove(2, 1));
    EXPECT_EQ(fake::store().nodes, before);
}

TEST_F(peer_link, removing_one_link_leaves_the_others) {
    fake::add_domain(3, "gamma");
    add(1, 2);
    const auto with_one = fake::store().nodes;
    add(1, 3);
    add(2, 3);
    add(0, 2);
    EXPECT_TRUE(remove(1, 3));
    EXPECT_TRUE(remove(2, 3));
    EXPECT_TRUE(remove(0, 2));
    EXPECT_TRUE(fake::store().nodes.contains("/local/domain/0/backend")) << "dom0 has other backends";
    fake::store().nodes.erase("/local/domain/0/backend");
    EXPECT_EQ(fake::store().nodes, with_one);
}

TEST_F(peer_link, what_a_dead_domain_left_can_be_removed) {
    const auto before_one = [] {
        auto nodes = fake::store().nodes;
        std::erase_if(nodes, [](const auto& one) { return one.first.starts_with("/local/domain/2"); });
        return nodes;
    }();
    add(1, 2);
    std::erase_if(fake::store().nodes,
                  [](const auto& one) { return one.first.starts_with("/local/domain/2"); });
    ASSERT_EQ(list().size(), 1u);
    EXPECT_EQ(list()[0].frontend_state, "-");
    EXPECT_EQ(list()[0].problems, std::vector<std::string>{std::string(front) + " is missing"});
    EXPECT_TRUE(remove(1, 2));
    EXPECT_EQ(fake::store().nodes, before_one) << "and the dead domain's folder is not made again";
}

TEST_F(peer_link, an_error_changes_nothing) {
    const auto before = fake::store().nodes;
    // The last node that add writes: everything before it must be undone.
    fake::store().fail_path = std::string(back) + "/state";
    fake::store().fail_error = ENOSPC;
    EXPECT_THROW(add(1, 2), std::system_error);
    EXPECT_EQ(fake::store().nodes, before);
}

TEST_F(peer_link, listed_with_states) {
    add(1, 2);
    add(0, 1);
    fake::put("/local/domain/1/device/vsock/0/state", "4");
    fake::put("/local/domain/0/backend/vsock/1/0/state", "2");
    fake::put("/local/domain/2/device/vsock/junk");
    const auto links = list();
    ASSERT_EQ(links.size(), 2u);
    EXPECT_EQ(links[0].ends, (link_ends{0, 1}));
    EXPECT_EQ(links[0].backend_state, "InitWait");
    EXPECT_EQ(links[0].frontend_state, "Connected");
    EXPECT_TRUE(links[0].problems.empty());
    EXPECT_EQ(links[1].ends, (link_ends{1, 2}));
    EXPECT_EQ(links[1].backend_state, "Initialising");
}

TEST(peer_state, words) {
    EXPECT_EQ(state_word("0"), "Unknown");
    EXPECT_EQ(state_word("1"), "Initialising");
    EXPECT_EQ(state_word("2"), "InitWait");
    EXPECT_EQ(state_word("3"), "Initialised");
    EXPECT_EQ(state_word("4"), "Connected");
    EXPECT_EQ(state_word("5"), "Closing");
    EXPECT_EQ(state_word("6"), "Closed");
    EXPECT_EQ(state_word("9"), "unknown (9)");
    EXPECT_EQ(state_word("x"), "unknown (x)");
}

} // namespace
} // namespace xvsock::peer
