// SPDX-License-Identifier: MIT
#include "sockets/acceptor.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <unistd.h>

namespace xvsock::sockets {

namespace asio = boost::asio;
using boost::system::error_code;

acceptor::acceptor(asio::io_context& context, place where)
    : context_(context), socket_(context), where_(std::move(where)) {
    error_code error;
    for (const auto& one : where_.endpoints) {
        listen_at(one, error);
        if (!error)
            return;
    }
    throw std::runtime_error(explain(where_, address_role::listen, error));
}

acceptor::~acceptor() {
    if (where_.where.family == perf::address_family::unix_stream && !where_.where.path.starts_with('@'))
        ::unlink(where_.where.path.c_str());
}

asio::awaitable<stream_socket> acceptor::accept(error_code& error) {
    stream_socket made(context_);
    co_await socket_.async_accept(made, asio::redirect_error(asio::use_awaitable, error));
    co_return made;
}

std::optional<accepted> acceptor::accept_now(error_code& error,
                                             const std::function<void(const protocol::endpoint&)>& refused) {
    for (;;) {
        accepted made{stream_socket(context_), {}};
        bool done = false;
        socket_.async_accept(made.socket, made.remote, [&](const error_code& result) {
            error = result;
            done = true;
            context_.stop();
        });
        context_.restart();
        context_.run();
        if (!done) { // the handler must not outlive what it refers to
            socket_.cancel();
            while (!done) {
                context_.restart();
                context_.run_one();
            }
            error.clear();
            return std::nullopt;
        }
        if (error)
            return std::nullopt;
        if (!where_.only_from || cid_of(made.remote) == where_.only_from)
            return made;
        reset(made.socket);
        refused(made.remote);
    }
}

void acceptor::listen_at(const protocol::endpoint& endpoint, error_code& error) {
    socket_.close(error);
    socket_.open(endpoint.protocol(), error);
    if (error)
        return;
    if (where_.where.family == perf::address_family::tcp) {
        error_code ignored;
        socket_.set_option(asio::socket_base::reuse_address(true), ignored);
    }
    socket_.bind(endpoint, error);
    if (!error)
        socket_.listen(asio::socket_base::max_listen_connections, error);
}

void reset(stream_socket& socket) {
    error_code ignored;
    socket.set_option(asio::socket_base::linger(true, 0), ignored);
    socket.close(ignored);
}

} // namespace xvsock::sockets
