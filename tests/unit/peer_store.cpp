// SPDX-License-Identifier: MIT
// The xenstore client: values, permissions, transactions, the time limit.
#include "peer_fake_xenstore.hpp"

#include <atomic>
#include <gtest/gtest.h>

#include <unistd.h>

namespace xvsock::xenstore {
namespace {

namespace fake = fake_xenstore;

class xenstore_client : public testing::Test {
protected:
    void SetUp() override { fake::reset(); }

    const client_options options_{
        .timeout = std::chrono::seconds(20),
        .on_timeout = [](const std::string& what) { ADD_FAILURE() << "time-out: " << what; }};
};

TEST_F(xenstore_client, values_and_directories) {
    client store(options_);
    store.transact([](const view& view) {
        EXPECT_FALSE(view.read("/a"));
        EXPECT_FALSE(view.list("/a"));
        EXPECT_FALSE(view.remove("/a"));
        view.write("/a/b", std::string("x\0y", 1));
        view.make("/a/c");
        EXPECT_EQ(view.read("/a/b"), "x");
        EXPECT_EQ(view.read("/a/c"), "");
        EXPECT_EQ(view.list("/a"), (std::vector<std::string>{"b", "c"}));
        EXPECT_EQ(view.list("/a/b"), std::vector<std::string>{});
        EXPECT_TRUE(view.remove("/a/b"));
        EXPECT_FALSE(view.exists("/a/b"));
    });
    EXPECT_TRUE(fake::store().nodes.contains("/a/c"));
}

TEST_F(xenstore_client, permissions_survive) {
    const permissions list{{5, access::none}, {6, access::read}, {7, access::both}};
    client(options_).transact([&](const view& view) {
        view.make("/a");
        view.set_permissions("/a", list);
        EXPECT_EQ(view.get_permissions("/a"), list);
        EXPECT_FALSE(view.get_permissions("/b"));
    });
    EXPECT_EQ(to_string(list), "n5 r6 b7");
    EXPECT_EQ(to_string(owned_by(0, {0, 3})), "n0 r3");
}

TEST_F(xenstore_client, an_exception_abandons_the_transaction) {
    client store(options_);
    const auto before = fake::store().nodes;
    EXPECT_THROW(store.transact([](const view& view) {
        view.write("/a", "1");
        throw std::logic_error("stop");
    }),
                 std::logic_error);
    EXPECT_EQ(fake::store().nodes, before);
    EXPECT_EQ(fake::store().commits, 0u);
}

TEST_F(xenstore_client, a_conflict_runs_the_body_again) {
    client store(options_);
    fake::store().conflicts = 3;
    int runs = 0;
    store.transact([&](const view& view) {
        ++runs;
        EXPECT_FALSE(view.exists("/a")) << "an abandoned attempt is still there";
        view.write("/a", "1");
    });
    EXPECT_EQ(runs, 4);
    EXPECT_TRUE(fake::store().nodes.contains("/a"));
}

TEST_F(xenstore_client, endless_conflicts_end) {
    client store(options_);
    fake::store().conflicts = 1'000'000;
    try {
        store.transact([](const view& view) { view.write("/a", "1"); });
        FAIL();
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code().value(), EAGAIN);
    }
}

TEST_F(xenstore_client, errors_carry_errno_and_path) {
    client store(options_);
    fake::store().fail_path = "/a";
    fake::store().fail_error = EACCES;
    try {
        store.transact([](const view& view) { view.write("/a", "1"); });
        FAIL();
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), std::errc::permission_denied);
        EXPECT_NE(std::string(error.what()).find("write /a"), std::string::npos) << error.what();
    }
    fake::store().open_error = ECONNREFUSED;
    EXPECT_THROW(client second(options_), std::system_error);
}

TEST_F(xenstore_client, a_late_answer_is_noticed_with_what_was_asked) {
    std::atomic<int> late = 0;
    std::string operation;
    {
        client store({.timeout = std::chrono::milliseconds(30), .on_timeout = [&](const std::string& what) {
                          operation = what;
                          ++late;
                      }});
        store.transact([](const view& view) {
            view.read("/in/time");
            fake::store().delay = std::chrono::milliseconds(300);
            view.read("/too/late");
            fake::store().delay = {};
        });
    }
    EXPECT_EQ(late, 1);
    EXPECT_EQ(operation, "read /too/late");
}

} // namespace
} // namespace xvsock::xenstore
