// SPDX-License-Identifier: MIT
// HTTPS by Boost.Beast and asio::ssl: answers each request with what it was.
//   https_server PORT CERTIFICATE.pem KEY.pem
#include <xvsock/stream_protocol.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <iostream>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using protocol = xvsock::stream_protocol;
/// Beast's stream with time limits, over our sockets.
using stream = beast::basic_stream<protocol>;

namespace {

http::response<http::string_body> answer(const http::request<http::string_body>& request) {
    http::response<http::string_body> response(http::status::ok, request.version());
    response.set(http::field::content_type, "text/plain");
    response.keep_alive(request.keep_alive());
    if (request.method() == http::verb::get)
        response.body() = "you asked for " + std::string(request.target()) + '\n';
    else if (request.method() == http::verb::post)
        response.body() = request.body();
    else
        response.result(http::status::method_not_allowed);
    response.prepare_payload();
    return response;
}

/// Each step of a client has this time; a large body on a slow machine takes many steps.
void begin_step(beast::ssl_stream<stream>& client) {
    beast::get_lowest_layer(client).expires_after(std::chrono::seconds(30));
}

asio::awaitable<void> serve(stream socket, asio::ssl::context& security) {
    try {
        beast::ssl_stream<stream> client(std::move(socket), security);
        begin_step(client);
        co_await client.async_handshake(asio::ssl::stream_base::server, asio::use_awaitable);
        beast::flat_buffer buffer;
        for (bool more = true; more;) {
            http::request_parser<http::string_body> parser;
            parser.body_limit(64U << 20U);
            while (!parser.is_done()) {
                begin_step(client);
                co_await http::async_read_some(client, buffer, parser, asio::use_awaitable);
            }
            const auto response = answer(parser.get());
            more = response.keep_alive();
            http::response_serializer<http::string_body> serializer(response);
            while (!serializer.is_done()) {
                begin_step(client);
                co_await http::async_write_some(client, serializer, asio::use_awaitable);
            }
        }
        begin_step(client);
        co_await client.async_shutdown(asio::use_awaitable);
    } catch (const boost::system::system_error& error) {
        if (error.code() != http::error::end_of_stream && error.code() != asio::ssl::error::stream_truncated)
            std::clog << "a client: " << error.code().message() << '\n';
    }
}

asio::awaitable<void> listen(protocol::acceptor acceptor, asio::ssl::context& security) {
    for (;;) {
        stream client(co_await acceptor.async_accept(asio::use_awaitable));
        asio::co_spawn(acceptor.get_executor(), serve(std::move(client), security), asio::detached);
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::cerr << "usage: https_server PORT CERTIFICATE.pem KEY.pem\n";
        return 2;
    }
    try {
        asio::ssl::context security(asio::ssl::context::tls_server);
        security.use_certificate_chain_file(argv[2]);
        security.use_private_key_file(argv[3], asio::ssl::context::pem);
        asio::io_context context(1);
        protocol::acceptor acceptor(context, protocol::endpoint(std::stoul(argv[1])));
        std::cout << "listening on " << acceptor.local_endpoint() << std::endl;
        asio::co_spawn(context, listen(std::move(acceptor), security),
                       [](const std::exception_ptr& error) { std::rethrow_exception(error); });
        asio::signal_set signals(context, SIGINT, SIGTERM);
        signals.async_wait([&](boost::system::error_code, int) { context.stop(); });
        context.run();
    } catch (const std::exception& error) {
        std::cerr << "https_server: " << error.what() << '\n';
        return 1;
    }
}
