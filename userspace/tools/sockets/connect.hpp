// SPDX-License-Identifier: MIT
/// Connecting with a limit of time.
#pragma once

#include "sockets/place.hpp"

#include <boost/asio/io_context.hpp>
#include <chrono>

namespace xvsock::sockets {

/// Runs the context until the socket is connected. The error is timed_out after `timeout`, and
/// operation_aborted when the context was stopped meanwhile, as by a signal's handler.
stream_socket connect_within(boost::asio::io_context& context, const protocol::endpoint& endpoint,
                             std::chrono::nanoseconds timeout, boost::system::error_code& error);

/// Connects to the first of the place's endpoints that answers, each within `timeout`. Blocks. Throws
/// std::runtime_error that says why not, of the last.
stream_socket connect(boost::asio::io_context& context, const place& where, std::chrono::nanoseconds timeout);

/// A socket as a descriptor whose calls block, owned.
class blocking_socket {
public:
    /// Takes the descriptor out of the socket.
    explicit blocking_socket(stream_socket socket);
    blocking_socket(blocking_socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    blocking_socket& operator=(blocking_socket&&) = delete;
    blocking_socket(const blocking_socket&) = delete;
    ~blocking_socket();

    /// -1 when it is closed.
    int fd() const noexcept { return fd_; }
    void close() noexcept;

private:
    int fd_;
};

} // namespace xvsock::sockets
