// SPDX-License-Identifier: MIT
// From names to endpoints, by the names that dom0 has written with the links.
#include "asio_test.hpp"

#include <xvsock/resolver.hpp>

#include <boost/asio/connect.hpp>

namespace xvsock::guest {
extern std::string server_name;

namespace {

class AsioResolver : public asio_test {};

TEST_F(AsioResolver, APeersName) {
    const auto results = resolver::resolve(server_name + ":7000");
    ASSERT_EQ(results.size(), 1U);
    EXPECT_EQ(results.front().endpoint(), server(7000));
    EXPECT_EQ(results.front().host_name(), server_name);
    protocol::socket socket(context_);
    EXPECT_EQ(asio::connect(socket, resolver::resolve(server_name, "7000")), server(7000));
}

TEST_F(AsioResolver, AsynchronouslyAndBack) {
    const auto body = [&]() -> asio::awaitable<void> {
        protocol::resolver names(context_);
        const auto there = co_await names.async_resolve(server_name, "7000", asio::use_awaitable);
        EXPECT_EQ(there.front().endpoint(), server(7000));
        const auto back = co_await names.async_resolve(server(7000), asio::use_awaitable);
        EXPECT_EQ(back.front().host_name(), server_name);
        EXPECT_EQ(back.front().service_name(), "7000");
        const auto number = co_await names.async_resolve("12:any", asio::use_awaitable);
        EXPECT_EQ(number.front().endpoint(), protocol::endpoint(12, any_port));
        const auto [error, none] =
            co_await names.async_resolve("no-such-domain", "1", asio::as_tuple(asio::use_awaitable));
        EXPECT_EQ(error, asio::error::host_not_found);
    };
    run(body());
}

TEST_F(AsioResolver, WhatNeedsNoXenstore) {
    EXPECT_EQ(resolver::resolve("dom0:80").front().endpoint(), protocol::endpoint(dom0_cid, 80));
    EXPECT_EQ(resolver::resolve("*", "80").front().endpoint(), protocol::endpoint(any_cid, 80));
    error_code error;
    resolver::resolve("5:http", error);
    EXPECT_EQ(error, asio::error::service_not_found);
}

TEST_F(AsioResolver, AllPeers) {
    const auto body = [&]() -> asio::awaitable<void> {
        xenstore::client store(co_await asio::this_coro::executor);
        const auto peers = co_await store.async_run(list_peers, asio::use_awaitable);
        EXPECT_NE(std::find(peers.begin(), peers.end(), known_peer{server_name, server_cid}), peers.end());
    };
    run(body());
}

} // namespace
} // namespace xvsock::guest
