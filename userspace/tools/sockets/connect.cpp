// SPDX-License-Identifier: MIT
#include "sockets/connect.hpp"

#include <xvsock/options.hpp>

#include <stdexcept>

#include <fcntl.h>
#include <unistd.h>

namespace xvsock::sockets {

namespace asio = boost::asio;
using boost::system::error_code;

stream_socket connect_within(asio::io_context& context, const protocol::endpoint& endpoint,
                             std::chrono::nanoseconds timeout, error_code& error) {
    stream_socket socket(context);
    socket.open(endpoint.protocol(), error);
    if (error)
        return socket;
    if (cid_of(endpoint)) {
        // The kernel's own limit would be 2 s.
        const auto limit = std::chrono::ceil<std::chrono::microseconds>(timeout) + std::chrono::seconds(1);
        error_code ignored;
        socket.set_option(connect_timeout(limit), ignored);
    }
    bool done = false;
    socket.async_connect(endpoint, [&](const error_code& result) {
        error = result;
        done = true;
        context.stop();
    });
    context.restart();
    context.run_for(timeout);
    if (!done) { // the handler must not outlive what it refers to
        const error_code why = context.stopped() ? error_code(asio::error::operation_aborted)
                                                 : error_code(asio::error::timed_out);
        error_code ignored;
        socket.close(ignored);
        while (!done) {
            context.restart();
            context.run_one();
        }
        error = why;
    }
    return socket;
}

stream_socket connect(asio::io_context& context, const place& where, std::chrono::nanoseconds timeout) {
    error_code error;
    for (const auto& one : where.endpoints) {
        stream_socket socket = connect_within(context, one, timeout, error);
        if (!error)
            return socket;
    }
    throw std::runtime_error(explain(where, address_role::connect, error));
}

blocking_socket::blocking_socket(stream_socket socket) : fd_(socket.release()) {
    ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) & ~O_NONBLOCK);
}

blocking_socket::~blocking_socket() {
    close();
}

void blocking_socket::close() noexcept {
    if (const int fd = std::exchange(fd_, -1); fd >= 0)
        ::close(fd);
}

} // namespace xvsock::sockets
