// SPDX-License-Identifier: MIT
/// Carries bytes between two streams, both ways, until both directions have ended.
#pragma once

#include "sockets/acceptor.hpp"

#include <boost/asio/awaitable.hpp>
#include <cstdint>

namespace xvsock::forward {

using sockets::stream_socket;

struct relayed {
    std::uint64_t from_first = 0;    ///< bytes
    std::uint64_t from_second = 0;   ///< bytes
    boost::system::error_code error; ///< what ended it before both ends had closed
};

/// The end of one direction is passed on as a shutdown, while the other one goes on. An error of one stream
/// ends both with a reset, where the socket can. Closes both.
boost::asio::awaitable<relayed> relay(stream_socket first, stream_socket second);

} // namespace xvsock::forward
