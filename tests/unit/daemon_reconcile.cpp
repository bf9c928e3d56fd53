// SPDX-License-Identifier: MIT
// Bringing links about in a fake xenstore, which can be made to fail.
#include "daemon/policy_file.hpp"
#include "daemon/reconciler.hpp"
#include "peer_fake_xenstore.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace xvsock::peer {
namespace {

namespace fake = fake_xenstore;
namespace asio = boost::asio;

class daemon_reconcile : public testing::Test {
protected:
    void SetUp() override {
        fake::reset();
        fake::add_domain(0, "Domain-0");
        std::string name = (std::filesystem::temp_directory_path() / "reconcile-XXXXXX").string();
        ASSERT_TRUE(mkdtemp(name.data()));
        folder_ = name;
        links_.emplace(store_, name + "/cids");
    }
    void TearDown() override {
        links_.reset();
        std::filesystem::remove_all(folder_);
    }

    static void start(unsigned id, const std::string& name) {
        fake::add_domain(id, name);
        fake::put(fmt::format("/local/domain/{}/vm", id),
                  fmt::format("/vm/{:08x}-0000-4000-8000-000000000000", id));
    }

    bool pass() {
        links_->look_for_domains(); // as the service does after an event
        auto done = asio::co_spawn(context_, links_->pass(), asio::use_future);
        context_.restart();
        context_.run();
        return done.get();
    }

    void policy(const std::string& text) { links_->set_policy(parse_policy(text, "policy"), "policy"); }

    static bool linked(unsigned frontend, unsigned backend) {
        const bool front =
            fake::has(fmt::format("/local/domain/{}/device/vsock/{}/state", frontend, backend));
        const bool back =
            fake::has(fmt::format("/local/domain/{}/backend/vsock/{}/{}/state", backend, frontend, backend));
        EXPECT_EQ(front, back);
        return front && back;
    }

    bool is_settled() { return !links_->due(); }

    std::filesystem::path folder_;
    asio::io_context context_;
    xenstore::client store_{context_.get_executor()};
    std::optional<reconciler> links_;
};

TEST_F(daemon_reconcile, what_is_in_order_is_left_alone) {
    policy("allow * <-> *");
    for (unsigned id = 1; id <= 4; ++id)
        start(id, fmt::format("g{}", id));
    pass();
    EXPECT_TRUE(linked(4, 0) && linked(4, 3) && linked(2, 1));
    EXPECT_TRUE(is_settled());
    EXPECT_EQ(fake::store().commits, 10U) << "a transaction for each link";
    const auto nodes = fake::store().nodes;
    pass();
    EXPECT_EQ(fake::store().commits, 10U);
    start(5, "g5");
    pass();
    EXPECT_EQ(fake::store().commits, 15U) << "only the new domain's links";
    links_->forget();
    pass();
    EXPECT_EQ(fake::store().commits, 30U) << "each is verified";
    EXPECT_TRUE(is_settled());
}

TEST_F(daemon_reconcile, asks_only_for_what_may_have_changed) {
    policy("allow a <-> b");
    for (unsigned id = 1; id <= 9; ++id)
        start(id, std::string(1, "-abcdefghi"[id]));
    pass();
    const auto calls_of = [&](const auto& change) {
        const auto before = store_.calls();
        change();
        auto done = asio::co_spawn(context_, links_->pass(), asio::use_future);
        context_.restart();
        context_.run();
        done.get();
        return store_.calls() - before;
    };
    EXPECT_EQ(calls_of([&] { policy("allow b <-> a"); }), 0U);
    EXPECT_EQ(calls_of([&] { links_->look_at(3); }), 5U);
    EXPECT_EQ(calls_of([&] { links_->look_for_domains(); }), 10U) << "which there are, and whether they run";
    EXPECT_EQ(calls_of([&] {
                  start(10, "j");
                  links_->look_for_domains();
              }),
              15U);
}

TEST_F(daemon_reconcile, one_domains_quota_holds_up_nobody_else) {
    policy("allow * <-> *");
    for (unsigned id = 1; id <= 3; ++id)
        start(id, fmt::format("g{}", id));
    fake::store().fail_path = "/local/domain/1/backend/vsock/2/1/state";
    for (const int error : {ENOSPC, E2BIG, EDQUOT}) {
        fake::store().fail_error = error;
        links_.emplace(store_, (folder_ / "cids").string());
        policy("allow * <-> *");
        pass();
        EXPECT_FALSE(linked(2, 1));
        EXPECT_NE(
            boost::json::serialize(links_->status()).find(error == E2BIG ? "too long" : "quota of xenstored"),
            std::string::npos);
        EXPECT_TRUE(linked(1, 0) && linked(2, 0) && linked(3, 0) && linked(3, 1) && linked(3, 2));
        ASSERT_TRUE(links_->due());
        const auto pause = *links_->due() - reconciler::clock::now();
        EXPECT_GT(pause, std::chrono::milliseconds(500));
        EXPECT_LT(pause, std::chrono::milliseconds(1500));
    }
    pass();
    EXPECT_FALSE(linked(2, 1)) << "not yet";
    fake::store().fail_error = 0;
    std::this_thread::sleep_until(*links_->due());
    pass();
    EXPECT_TRUE(linked(2, 1));
    EXPECT_TRUE(is_settled());
}

TEST_F(daemon_reconcile, another_domain_with_the_same_domid) {
    policy("allow * <-> *");
    start(1, "a");
    start(2, "b");
    pass();
    fake::put("/local/domain/2/vm", "/vm/99999999-0000-4000-8000-000000000000");
    links_->look_at(2);
    pass();
    EXPECT_FALSE(linked(2, 1)) << "the old one goes first";
    ASSERT_TRUE(links_->due());
    std::this_thread::sleep_until(*links_->due());
    pass();
    EXPECT_TRUE(linked(2, 1));
    EXPECT_EQ(fake::store().nodes.at("/local/domain/2/device/vsock/1/cid").value, "65538");
    EXPECT_TRUE(is_settled());
}

TEST_F(daemon_reconcile, a_domain_that_xenstored_does_not_know_has_no_links) {
    policy("allow * <-> *");
    start(1, "a");
    start(2, "b");
    pass();
    fake::store().gone.insert(2);
    pass();
    EXPECT_FALSE(linked(2, 1) || linked(2, 0));
    EXPECT_TRUE(linked(1, 0));
    EXPECT_TRUE(is_settled());
}

// Links are not removed because xenstored could not be asked.
TEST_F(daemon_reconcile, a_domain_that_cannot_be_asked_for_is_not_gone) {
    policy("allow * <-> *");
    start(1, "a");
    start(2, "b");
    pass();
    fake::store().fail_path = "domain 2";
    fake::store().fail_error = EIO;
    EXPECT_THROW(pass(), std::system_error);
    EXPECT_TRUE(linked(2, 1));
}

// The domain goes while its link is changed node by node, for somebody makes all transactions fail.
TEST_F(daemon_reconcile, a_dead_domains_home_does_not_come_back) {
    policy("allow a <-> b");
    start(1, "a");
    start(2, "b");
    pass();
    policy("allow a <-> b port 22");
    fake::store().conflicts = 8; // as often as it is tried
    bool has_gone = false;
    fake::store().before_write = [&](const std::string& path) {
        if (fake::store().conflicts > 0 || has_gone || !path.starts_with("/local/domain/2/"))
            return;
        has_gone = true;
        fake::store().gone.insert(2);
        fake::remove("/local/domain/2");
    };
    pass();
    EXPECT_TRUE(has_gone);
    for (const auto& [path, ignored] : fake::store().nodes)
        EXPECT_FALSE(path.starts_with("/local/domain/2")) << path;
    fake::put("/local/domain/2/device/vsock/1/accept"); // by one that was killed then
    links_->forget();
    pass();
    EXPECT_FALSE(fake::has("/local/domain/2"));
    EXPECT_FALSE(fake::has("/local/domain/1/backend/vsock/2"));
}

// Domids begin anew some time, and the clone's is lower.
TEST_F(daemon_reconcile, a_clone_does_not_take_the_links_when_the_daemon_starts_again) {
    policy("allow * <-> *");
    start(5, "a");
    pass();
    fake::add_domain(3, "clone");
    fake::put("/local/domain/3/vm", fake::store().nodes.at("/local/domain/5/vm").value);
    pass();
    EXPECT_TRUE(linked(5, 0) && !linked(3, 0));
    const auto before = fake::store().nodes;
    links_.emplace(store_, (folder_ / "cids").string());
    policy("allow * <-> *");
    pass();
    EXPECT_EQ(fake::store().nodes, before);
}

TEST_F(daemon_reconcile, nothing_but_the_two_and_dom0_sees_a_link) {
    policy("allow * <-> * port 22\nlimit * connections 5 memory 1M");
    start(1, "a");
    start(2, "b");
    start(3, "c");
    pass();
    unsigned seen = 0;
    for (const auto& [path, node] : fake::store().nodes) {
        if (path.find("/vsock/") == std::string::npos)
            continue;
        ++seen;
        EXPECT_EQ(node.access.front().granted, xenstore::access::none) << path;
        for (std::size_t i = 1; i < node.access.size(); ++i)
            EXPECT_EQ(node.access[i].granted, xenstore::access::read) << path;
        const std::string key = path.substr(path.rfind('/') + 1);
        const domid home = domid(path[std::string("/local/domain/").size()] - '0');
        for (const char* setting : {"accept", "cid", "peer-cid", "made-by", "peer-name", "max-connections",
                                    "max-memory", "domain-max-connections", "domain-max-memory"})
            if (key == setting) {
                EXPECT_EQ(node.access, xenstore::owned_by(0, {home})) << path;
            }
    }
    EXPECT_GT(seen, 100U);
}

TEST_F(daemon_reconcile, more_ranges_of_ports_than_a_node_holds_are_none) {
    std::string rules;
    for (unsigned port = 0; port < 2 * most_port_ranges + 2; port += 2)
        rules += fmt::format("allow a -> b port {}\n", port);
    start(1, "a");
    start(2, "b");
    policy(rules);
    pass();
    EXPECT_FALSE(linked(2, 1));
    EXPECT_EQ(links_->complaints_about(parse_policy(rules, "policy")).size(), 1U);
    rules = rules.substr(rules.find('\n') + 1);
    EXPECT_EQ(links_->complaints_about(parse_policy(rules, "policy")).size(), 0U);
    policy(rules);
    pass();
    EXPECT_TRUE(linked(2, 1));
}

} // namespace
} // namespace xvsock::peer
