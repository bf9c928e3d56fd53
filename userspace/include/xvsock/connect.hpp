// SPDX-License-Identifier: MIT
/// Connecting with errors that name the peer and the likely cause.
///
/// boost::asio::connect() and async_connect() work as well, and give the bare error code, which
/// explain_connect() explains.
#pragma once

#include "xvsock/error.hpp"
#include "xvsock/stream_protocol.hpp"

#include <boost/asio/compose.hpp>
#include <boost/asio/connect.hpp>
#include <exception>
#include <utility>

namespace xvsock {

/// Blocks until connected. Opens the socket if it is not open. Throws connect_error.
inline void connect(stream_protocol::socket& socket, const stream_protocol::endpoint& peer) {
    boost::system::error_code error;
    socket.connect(peer, error); // NOLINT(bugprone-unused-return-value)
    if (error)
        throw connect_error(error, peer);
}

/// Tries the endpoints in turn and returns the one that is connected. Throws connect_error of the last.
template <typename Endpoints>
stream_protocol::endpoint connect(stream_protocol::socket& socket, const Endpoints& endpoints) {
    stream_protocol::endpoint peer;
    boost::system::error_code error = boost::asio::error::not_found;
    for (const auto& one : endpoints) {
        peer = one;
        boost::system::error_code ignored;
        socket.close(ignored);
        socket.connect(peer, error);
        if (!error)
            return peer;
    }
    throw connect_error(error, peer);
}

/// Connects; opens the socket if it is not open. Signature: void(std::exception_ptr), a connect_error unless
/// it succeeds; its code is operation_aborted after a cancellation. The socket must stay until the handler is
/// called.
template <typename Token>
auto async_connect(stream_protocol::socket& socket, stream_protocol::endpoint peer, Token&& token) {
    return boost::asio::async_compose<Token, void(std::exception_ptr)>(
        [&socket, peer, started = false](auto& self, boost::system::error_code error = {}) mutable {
            if (!started) {
                started = true;
                const auto target = peer; // moves with self otherwise
                socket.async_connect(target, std::move(self));
                return;
            }
            self.complete(error ? std::make_exception_ptr(connect_error(error, peer)) : nullptr);
        },
        token, socket);
}

} // namespace xvsock
