// SPDX-License-Identifier: MIT
/// AF_VSOCK stream sockets as a protocol of Boost.Asio.
///
/// What Asio does with ip::tcp it does with this: the sockets are Asio's own templates, so completion tokens,
/// executors, cancellation and thread safety are theirs (boost.org/libs/asio).
#pragma once

#include "xvsock/endpoint.hpp"

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_socket_iostream.hpp>
#include <boost/asio/basic_stream_socket.hpp>

namespace xvsock {

class resolver; // xvsock/resolver.hpp, and the library xvsock::resolver

class stream_protocol {
public:
    using endpoint = basic_endpoint<stream_protocol>;
    using socket = boost::asio::basic_stream_socket<stream_protocol>;
    using acceptor = boost::asio::basic_socket_acceptor<stream_protocol>;
    /// Connects in its constructor, to an endpoint.
    using iostream = boost::asio::basic_socket_iostream<stream_protocol>;
    using resolver = xvsock::resolver;

    int type() const noexcept { return SOCK_STREAM; }
    int protocol() const noexcept { return 0; }
    int family() const noexcept { return AF_VSOCK; }
};

} // namespace xvsock
