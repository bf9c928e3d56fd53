// SPDX-License-Identifier: MIT
// What the tests of the Asio layer share. vsock-services runs in the peer's domain.
#pragma once

#include <xvsock/connect.hpp>
#include <xvsock/options.hpp>
#include <xvsock/stream_protocol.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstdint>
#include <gtest/gtest.h>
#include <string>
#include <utility>
#include <vector>

#include "../stream/stream_test.hpp"

namespace xvsock::guest {

namespace asio = boost::asio;
using boost::system::error_code;
using protocol = stream_protocol;

inline protocol::endpoint server(port_type port) {
    return {server_cid, port};
}

class asio_test : public testing::Test {
protected:
    /// Runs until there is no more work, which must be within a minute.
    void run() {
        context_.restart();
        context_.run_for(60s);
        ASSERT_TRUE(context_.stopped()) << "something is still waiting";
    }

    /// Runs a coroutine to its end; what it throws fails the test.
    void run(asio::awaitable<void> body) {
        bool ended = false;
        asio::co_spawn(context_, std::move(body), [&](const std::exception_ptr& error) {
            ended = true;
            if (error)
                std::rethrow_exception(error);
        });
        ASSERT_NO_THROW(run());
        EXPECT_TRUE(ended);
    }

    protocol::socket connected(port_type port = service::echo) {
        protocol::socket socket(context_);
        xvsock::connect(socket, server(port));
        return socket;
    }

    asio::io_context context_;
};

} // namespace xvsock::guest
