// SPDX-License-Identifier: MIT
// Sockets, acceptors, options and streams: what Asio's own protocols do, this one does.
#include "asio_test.hpp"

#include "../stream/remote_end.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>

namespace xvsock::guest {
namespace {

class AsioSocket : public asio_test {};

std::string echoed(protocol::socket& socket, const std::string& text) {
    asio::write(socket, asio::buffer(text));
    std::string answer(text.size(), '\0');
    asio::read(socket, asio::buffer(answer));
    return answer;
}

TEST_F(AsioSocket, BlockingConnectAndEcho) {
    auto socket = connected();
    EXPECT_EQ(socket.remote_endpoint(), server(service::echo));
    EXPECT_EQ(socket.local_endpoint().cid(),
              any_cid); // as the vsock core names a socket that nobody has bound
    EXPECT_NE(socket.local_endpoint().port(), any_port);
    EXPECT_EQ(echoed(socket, "hello"), "hello");
}

TEST_F(AsioSocket, AsiosOwnConnectWorks) {
    protocol::socket socket(context_);
    const std::vector<protocol::endpoint> candidates{server(service::nobody), server(service::echo)};
    EXPECT_EQ(asio::connect(socket, candidates), server(service::echo));
    EXPECT_EQ(echoed(socket, "hello"), "hello");
    protocol::socket other(context_);
    EXPECT_EQ(xvsock::connect(other, candidates), server(service::echo));
    EXPECT_EQ(echoed(other, "hello"), "hello");
}

TEST_F(AsioSocket, NonBlockingConnect) {
    protocol::socket socket(context_, protocol());
    socket.non_blocking(true);
    error_code error;
    socket.connect(server(service::echo), error);
    if (error) {
        EXPECT_TRUE(error == asio::error::in_progress || error == asio::error::would_block) << error;
        socket.wait(protocol::socket::wait_write);
        asio::detail::socket_option::integer<SOL_SOCKET, SO_ERROR> result;
        socket.get_option(result);
        EXPECT_EQ(result.value(), 0);
    }
    socket.non_blocking(false);
    EXPECT_EQ(echoed(socket, "hello"), "hello");
}

TEST_F(AsioSocket, NonBlockingReadWouldBlock) {
    auto socket = connected();
    socket.non_blocking(true);
    char byte = 0;
    error_code error;
    socket.read_some(asio::buffer(&byte, 1), error);
    EXPECT_EQ(error, asio::error::would_block);
}

TEST_F(AsioSocket, AsyncTransferLargerThanTheRings) {
    auto socket = connected();
    constexpr std::size_t size = 4U << 20U;
    const auto sent = pattern_bytes(0, size);
    std::vector<std::uint8_t> got(size);
    std::size_t read = 0, written = 0;
    asio::async_write(socket, asio::buffer(sent), [&](error_code error, std::size_t n) {
        EXPECT_FALSE(error) << error;
        written = n;
        socket.shutdown(protocol::socket::shutdown_send);
    });
    asio::async_read(socket, asio::buffer(got), [&](error_code error, std::size_t n) {
        EXPECT_FALSE(error) << error;
        read = n;
    });
    run();
    EXPECT_EQ(written, size);
    EXPECT_EQ(read, size);
    EXPECT_TRUE(sent == got);
    char byte = 0;
    error_code error;
    EXPECT_EQ(socket.read_some(asio::buffer(&byte, 1), error), 0U);
    EXPECT_EQ(error, asio::error::eof);
}

TEST_F(AsioSocket, ScatterGatherAndLines) {
    auto socket = connected();
    const std::string one = "first\nsec", two = "ond\n";
    const std::vector<asio::const_buffer> parts{asio::buffer(one), asio::buffer(two)};
    EXPECT_EQ(asio::write(socket, parts), one.size() + two.size());
    std::string input;
    std::size_t end = asio::read_until(socket, asio::dynamic_buffer(input), '\n');
    EXPECT_EQ(input.substr(0, end), "first\n");
    input.erase(0, end);
    end = asio::read_until(socket, asio::dynamic_buffer(input), '\n');
    EXPECT_EQ(input.substr(0, end), "second\n");
}

TEST_F(AsioSocket, WaitsAndAvailable) {
    auto socket = connected();
    bool writable = false, readable = false;
    socket.async_wait(protocol::socket::wait_write, [&](error_code error) { writable = !error; });
    run();
    EXPECT_TRUE(writable);
    socket.async_wait(protocol::socket::wait_read, [&](error_code error) { readable = !error; });
    asio::write(socket, asio::buffer("x", 1));
    run();
    EXPECT_TRUE(readable);
    char byte = 0;
    EXPECT_EQ(socket.receive(asio::buffer(&byte, 1), protocol::socket::message_peek), 1U);
    EXPECT_EQ(socket.read_some(asio::buffer(&byte, 1)), 1U);
    EXPECT_EQ(byte, 'x');
}

TEST_F(AsioSocket, AcceptorOnAnyPort) {
    protocol::acceptor acceptor(context_, protocol::endpoint(any_port));
    const auto here = acceptor.local_endpoint();
    EXPECT_EQ(here.cid(), any_cid);
    ASSERT_NE(here.port(), any_port);
    remote_end remote;
    remote.begin(remote_op::connect, {.slot = 1, .position = here.port()});
    protocol::endpoint peer;
    auto socket = acceptor.accept(peer);
    EXPECT_EQ(remote.finish().result, 0);
    EXPECT_EQ(peer.cid(), server_cid);
    EXPECT_EQ(socket.remote_endpoint(), peer);
    remote.send(100, 0, 1);
    std::vector<std::uint8_t> got(100);
    asio::read(socket, asio::buffer(got));
    EXPECT_EQ(got, pattern_bytes(0, 100));

    remote.begin(remote_op::connect, {.slot = 2, .position = here.port()});
    bool accepted = false;
    acceptor.async_accept([&](error_code error, protocol::socket another) {
        accepted = !error && another.remote_endpoint().cid() == server_cid;
    });
    run();
    EXPECT_EQ(remote.finish().result, 0);
    EXPECT_TRUE(accepted);
}

TEST_F(AsioSocket, AcceptorOnAPortThatIsTaken) {
    const protocol::acceptor first(context_, protocol::endpoint(any_port));
    protocol::acceptor second(context_, protocol());
    error_code error;
    second.bind(first.local_endpoint(), error);
    EXPECT_EQ(error, asio::error::address_in_use);
}

TEST_F(AsioSocket, OptionsOfBuffersAndTime) {
    protocol::socket socket(context_, protocol());
    buffer_size size;
    socket.get_option(size);
    EXPECT_EQ(size.value(), default_buffer);
    socket.set_option(buffer_max_size(1U << 20U));
    socket.set_option(buffer_size(512U << 10U));
    socket.get_option(size);
    EXPECT_EQ(size.value(), 512U << 10U);
    buffer_max_size most;
    socket.get_option(most);
    EXPECT_EQ(most.value(), 1U << 20U);
    socket.set_option(buffer_size(16U << 20U)); // is kept below the maximum
    socket.get_option(size);
    EXPECT_EQ(size.value(), 1U << 20U);
    buffer_min_size least;
    socket.get_option(least);
    EXPECT_GT(least.value(), 0U);

    connect_timeout time;
    socket.get_option(time);
    EXPECT_EQ(time.value(), 2s);
    socket.set_option(connect_timeout(1500ms));
    socket.get_option(time);
    EXPECT_EQ(time.value(), 1500ms);
    socket.set_option(connect_timeout(0s));
    socket.get_option(time);
    EXPECT_EQ(time.value(), 2s);
}

TEST_F(AsioSocket, AcceptedSocketsHaveTheAcceptorsBuffers) {
    protocol::acceptor acceptor(context_, protocol());
    acceptor.set_option(buffer_size(64U << 10U));
    acceptor.bind(protocol::endpoint(any_port));
    acceptor.listen();
    remote_end remote;
    remote.begin(remote_op::connect, {.slot = 1, .position = acceptor.local_endpoint().port()});
    const auto socket = acceptor.accept();
    EXPECT_EQ(remote.finish().result, 0);
    buffer_size size;
    socket.get_option(size);
    EXPECT_EQ(size.value(), 64U << 10U);
}

TEST_F(AsioSocket, Iostream) {
    protocol::iostream stream(server(service::echo));
    ASSERT_TRUE(stream) << stream.error();
    stream << "one line\n" << std::flush;
    std::string line;
    ASSERT_TRUE(std::getline(stream, line)) << stream.error();
    EXPECT_EQ(line, "one line");
    stream.expires_after(300ms);
    EXPECT_FALSE(std::getline(stream, line));
    EXPECT_EQ(stream.error(), asio::error::timed_out);

    protocol::iostream refused(server(service::nobody));
    EXPECT_FALSE(refused);
    EXPECT_EQ(refused.error(), asio::error::connection_reset);
}

TEST_F(AsioSocket, MovesAndReleases) {
    auto first = connected();
    protocol::socket second(std::move(first));
    EXPECT_FALSE(first.is_open()); // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(echoed(second, "moved"), "moved");
    const int fd = second.release();
    protocol::socket third(context_, protocol(), fd);
    EXPECT_EQ(echoed(third, "released"), "released");
    asio::generic::stream_protocol::socket any(std::move(third));
    asio::write(any, asio::buffer("x", 1));
    char byte = 0;
    asio::read(any, asio::buffer(&byte, 1));
    EXPECT_EQ(byte, 'x');
}

TEST_F(AsioSocket, PeerThatHangsUp) {
    auto socket = connected(service::hang_up);
    char byte = 0;
    error_code error;
    asio::read(socket, asio::buffer(&byte, 1), error);
    EXPECT_EQ(error, asio::error::eof);
    for (int i = 0; i < 100 && error != asio::error::broken_pipe; ++i)
        socket.write_some(asio::buffer(&byte, 1), error);
    EXPECT_EQ(error, asio::error::broken_pipe);
}

} // namespace
} // namespace xvsock::guest
