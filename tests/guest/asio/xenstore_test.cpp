// SPDX-License-Identifier: MIT
// The xenstore client against a real xenstored, from a guest: below its own home, and where it may not go.
#include "asio_test.hpp"

#include <xvsock/xenstore.hpp>

#include <boost/asio/experimental/awaitable_operators.hpp>

namespace xvsock::guest {
namespace {

using namespace asio::experimental::awaitable_operators;
using xenstore::view;

class AsioXenstore : public asio_test {
protected:
    xenstore::client store_{context_.get_executor()};
};

TEST_F(AsioXenstore, ValuesListsAndPermissions) {
    const auto body = [&]() -> asio::awaitable<void> {
        co_await store_.async_remove("data/xvsock-test", asio::use_awaitable);
        co_await store_.async_write("data/xvsock-test/a", "1", asio::use_awaitable);
        co_await store_.async_make("data/xvsock-test/b", asio::use_awaitable);
        EXPECT_EQ(co_await store_.async_read("data/xvsock-test/a", asio::use_awaitable), "1");
        const auto names = co_await store_.async_list("data/xvsock-test", asio::use_awaitable);
        EXPECT_EQ(names, (std::vector<std::string>{"a", "b"}));
        auto access = co_await store_.async_get_permissions("data/xvsock-test/a", asio::use_awaitable);
        access.push_back({.domain = 0, .granted = xenstore::access::read});
        co_await store_.async_set_permissions("data/xvsock-test/a", access, asio::use_awaitable);
        EXPECT_EQ(co_await store_.async_get_permissions("data/xvsock-test/a", asio::use_awaitable), access);
        EXPECT_TRUE(co_await store_.async_remove("data/xvsock-test", asio::use_awaitable));
        EXPECT_FALSE(co_await store_.async_remove("data/xvsock-test", asio::use_awaitable));
        const auto [error, value] =
            co_await store_.async_read("data/xvsock-test/a", asio::as_tuple(asio::use_awaitable));
        EXPECT_EQ(error, boost::system::errc::no_such_file_or_directory);
    };
    run(body());
}

TEST_F(AsioXenstore, WhatIsForbidden) {
    const auto body = [&]() -> asio::awaitable<void> {
        const auto [error] =
            co_await store_.async_write("/local/xvsock-test", "1", asio::as_tuple(asio::use_awaitable));
        EXPECT_EQ(error, boost::system::errc::permission_denied);
    };
    run(body());
}

// Two clients count in one node; neither's step is lost.
TEST_F(AsioXenstore, TransactionsThatMeet) {
    constexpr int steps = 20;
    const auto count = [](xenstore::client& store) -> asio::awaitable<void> {
        const auto step = [](const view& nodes) {
            const auto before = nodes.read("data/xvsock-count").value_or("0");
            nodes.write("data/xvsock-count", std::to_string(std::stoi(before) + 1));
        };
        for (int i = 0; i < steps; ++i)
            co_await store.async_transact(step, asio::use_awaitable);
    };
    xenstore::client other(context_.get_executor());
    const auto body = [&]() -> asio::awaitable<void> {
        co_await store_.async_remove("data/xvsock-count", asio::use_awaitable);
        co_await (count(store_) && count(other));
        EXPECT_EQ(co_await store_.async_read("data/xvsock-count", asio::use_awaitable),
                  std::to_string(2 * steps));
        co_await store_.async_remove("data/xvsock-count", asio::use_awaitable);
    };
    run(body());
}

TEST_F(AsioXenstore, AWatch) {
    const auto body = [&]() -> asio::awaitable<void> {
        xenstore::watch changes(store_, "data/xvsock-watched");
        const auto first = co_await changes.async_wait(asio::use_awaitable);
        EXPECT_EQ(first, "data/xvsock-watched");
        asio::steady_timer limit(context_, 200ms);
        const auto nothing =
            co_await (changes.async_wait(asio::use_awaitable) || limit.async_wait(asio::use_awaitable));
        EXPECT_EQ(nothing.index(), 1U);
        const auto write = [&]() -> asio::awaitable<void> {
            co_await store_.async_write("data/xvsock-watched/x", "1", asio::use_awaitable);
        };
        const auto changed = co_await (changes.async_wait(asio::use_awaitable) && write());
        EXPECT_EQ(changed, "data/xvsock-watched/x");
        co_await store_.async_remove("data/xvsock-watched", asio::use_awaitable);
    };
    run(body());
}

} // namespace
} // namespace xvsock::guest
