// SPDX-License-Identifier: MIT
#include "forward/relay.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <vector>

namespace xvsock::forward {

namespace asio = boost::asio;
using boost::system::error_code;
using sockets::reset;

namespace {

constexpr std::size_t buffer_size = 256 * 1024;

/// One direction. When it fails both sockets are reset, which ends the other direction, too.
asio::awaitable<void> carry(stream_socket& from, stream_socket& to, std::uint64_t& bytes,
                            error_code& problem) {
    std::vector<char> buffer(buffer_size);
    error_code error;
    for (;;) {
        const auto size = co_await from.async_read_some(asio::buffer(buffer),
                                                        asio::redirect_error(asio::use_awaitable, error));
        if (error)
            break;
        co_await asio::async_write(to, asio::buffer(buffer, size),
                                   asio::redirect_error(asio::use_awaitable, error));
        if (error)
            break;
        bytes += size;
    }
    if (error == asio::error::eof) {
        error_code ignored; // of a peer that has gone
        to.shutdown(stream_socket::shutdown_send, ignored);
        co_return;
    }
    if (!problem && from.is_open())
        problem = error;
    reset(from);
    reset(to);
}

} // namespace

asio::awaitable<relayed> relay(stream_socket first, stream_socket second) {
    using namespace asio::experimental::awaitable_operators;
    relayed result;
    auto there = carry(first, second, result.from_first, result.error);
    auto back = carry(second, first, result.from_second, result.error);
    co_await (std::move(there) && std::move(back));
    co_return result;
}

} // namespace xvsock::forward
