// SPDX-License-Identifier: MIT
// JSON objects, one a line, over a TCP connection between conformance-run and conformance-peer.
#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace xvsock::conformance {

class line_channel {
public:
    explicit line_channel(boost::asio::ip::tcp::socket socket) : socket_(std::move(socket)) {}

    /// Throws boost::system::system_error at the connection's end.
    boost::asio::awaitable<boost::json::object> read() {
        const auto size = co_await boost::asio::async_read_until(
            socket_, boost::asio::dynamic_buffer(pending_), '\n', boost::asio::use_awaitable);
        const auto line = pending_.substr(0, size);
        pending_.erase(0, size);
        co_return boost::json::parse(line).as_object();
    }

    boost::asio::awaitable<void> write(boost::json::object message) {
        const auto line = boost::json::serialize(message) + "\n";
        co_await boost::asio::async_write(socket_, boost::asio::buffer(line), boost::asio::use_awaitable);
    }

private:
    boost::asio::ip::tcp::socket socket_;
    std::string pending_;
};

} // namespace xvsock::conformance
