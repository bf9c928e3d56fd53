// SPDX-License-Identifier: MIT
/// A listening socket of any family.
#pragma once

#include "sockets/place.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/io_context.hpp>

namespace xvsock::sockets {

/// A connection, and who began it.
struct accepted {
    stream_socket socket;
    protocol::endpoint remote;
};

/// Listens as long as it is there. A Unix socket's file is removed at the end.
class acceptor {
public:
    /// Throws std::runtime_error that says why it cannot listen.
    acceptor(boost::asio::io_context& context, place where);
    acceptor(const acceptor&) = delete;
    acceptor& operator=(const acceptor&) = delete;
    ~acceptor();

    boost::asio::awaitable<stream_socket> accept(boost::system::error_code& error);

    /// Runs the context until somebody connects whom the place allows, and resets others, of whom it tells
    /// `refused`. Without a value when the context was stopped, as by a signal's handler, or on an error.
    std::optional<accepted> accept_now(boost::system::error_code& error,
                                       const std::function<void(const protocol::endpoint&)>& refused);

private:
    /// Asio's acceptor, which generic protocols do not name.
    using any_acceptor = boost::asio::basic_socket_acceptor<protocol>;

    void listen_at(const protocol::endpoint& endpoint, boost::system::error_code& error);

    boost::asio::io_context& context_;
    any_acceptor socket_;
    place where_;
};

/// Closes the socket so that its peer sees an error and not an orderly end, where the socket can.
void reset(stream_socket& socket);

} // namespace xvsock::sockets
