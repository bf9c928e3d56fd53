// SPDX-License-Identifier: MIT
// Fetches by HTTPS from a domain, whose certificate has to be for the name of that domain. With a FILE, posts
// it.
//   https_client DOMAIN:PORT TARGET CA.pem [FILE]
#include <xvsock/connect.hpp>
#include <xvsock/resolver.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <fstream>
#include <iostream>
#include <iterator>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using protocol = xvsock::stream_protocol;

namespace {

http::request<http::string_body> make_request(const std::string& host, const std::string& target,
                                              const char* file) {
    http::request<http::string_body> request(file ? http::verb::post : http::verb::get, target, 11);
    request.set(http::field::host, host);
    if (file) {
        std::ifstream input(file, std::ios::binary);
        if (!input)
            throw std::runtime_error(std::string("cannot read ") + file);
        request.body().assign(std::istreambuf_iterator<char>(input), {});
    }
    request.prepare_payload();
    return request;
}

asio::awaitable<void> fetch(std::string where, std::string target, asio::ssl::context& security,
                            const char* file) {
    const auto executor = co_await asio::this_coro::executor;
    protocol::resolver names(executor);
    const auto server = (co_await names.async_resolve(where, asio::use_awaitable)).front();

    beast::ssl_stream<protocol::socket> stream(executor, security);
    stream.set_verify_callback(asio::ssl::host_name_verification(server.host_name()));
    co_await xvsock::async_connect(stream.next_layer(), server, asio::use_awaitable);
    co_await stream.async_handshake(asio::ssl::stream_base::client, asio::use_awaitable);

    const auto request = make_request(server.host_name(), target, file);
    co_await http::async_write(stream, request, asio::use_awaitable);
    beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(64U << 20U);
    co_await http::async_read(stream, buffer, parser, asio::use_awaitable);
    std::cout << parser.get().body();
    if (parser.get().result() != http::status::ok)
        throw std::runtime_error("the server answers " + std::string(parser.get().reason()));
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4 && argc != 5) {
        std::cerr << "usage: https_client DOMAIN:PORT TARGET CA.pem [FILE]\n";
        return 2;
    }
    try {
        asio::ssl::context security(asio::ssl::context::tls_client);
        security.load_verify_file(argv[3]);
        security.set_verify_mode(asio::ssl::verify_peer);
        asio::io_context context(1);
        asio::co_spawn(context, fetch(argv[1], argv[2], security, argc > 4 ? argv[4] : nullptr),
                       [](const std::exception_ptr& error) {
                           if (error)
                               std::rethrow_exception(error);
                       });
        context.run();
    } catch (const std::exception& error) {
        std::cerr << "https_client: " << error.what() << '\n';
        return 1;
    }
}
