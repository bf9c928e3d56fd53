// SPDX-License-Identifier: MIT
// Our connect() reaches a program's libxenvchan server.
#include "plain_test.hpp"

#include <fcntl.h>

namespace xvsock::guest {
namespace {

TEST(PlainConnect, MovesBytesBothWays) {
    // Not at one port: a server that ends removes its nodes, which may be the next one's by then.
    std::uint32_t port = 122;
    for (const std::uint64_t size : {1, 16'384, 1'000'000}) {
        EXPECT_EQ(tell("echo " + offer_to_us(port)), "ok");
        must_echo(connected(cid_of("g2"), port), size);
        ++port;
    }
}

TEST(PlainConnect, OneByteAtATime) {
    EXPECT_EQ(tell("echo " + offer_to_us(101)), "ok");
    const auto socket = connected(cid_of("g2"), 101);
    for (int i = 0; i < 500; ++i) {
        const auto sent = static_cast<char>(i);
        char got = 0;
        ASSERT_EQ(::send(socket.get(), &sent, 1, 0), 1);
        ASSERT_EQ(::recv(socket.get(), &got, 1, 0), 1);
        ASSERT_EQ(got, sent);
    }
}

TEST(PlainConnect, ReadsAllThatWasWrittenBeforeTheEnd) {
    EXPECT_EQ(tell("source " + offer_to_us(102) + " 3000000"), "ok");
    const auto socket = connected(cid_of("g2"), 102);
    const stream_bytes bytes;
    std::vector<char> all(3'000'001);
    EXPECT_EQ(receive_all(socket.get(), all.data(), all.size()), 3'000'000U);
    EXPECT_TRUE(bytes.is_at(0, all.data(), 3'000'000));
    EXPECT_EQ(read_error(socket), EPIPE);
}

TEST(PlainConnect, ClosingLosesNothing) {
    EXPECT_EQ(tell("sink " + offer_to_us(103)), "ok");
    {
        const auto socket = connected(cid_of("g2"), 103);
        const stream_bytes bytes;
        for (std::uint64_t done = 0; done < 2'000'000;) {
            const auto part = bytes.at(done, 2'000'000 - done);
            ASSERT_TRUE(send_all(socket.get(), part.data(), part.size()));
            done += part.size();
        }
    }
    EXPECT_EQ(tell("result " + offer_to_us(103)), "2000000 End of file");
}

TEST(PlainConnect, WhereNobodyOffersIsAsWhereNobodyListens) {
    const auto before = counter("refused");
    auto socket = make_socket();
    EXPECT_EQ(try_connect(socket.get(), cid_of("g2"), 104), ECONNRESET);
    EXPECT_EQ(counter("refused"), before + 1);
    // dom0 allows us port 3 only.
    socket = make_socket();
    EXPECT_EQ(try_connect(socket.get(), cid_of("dom0"), 104), ECONNRESET);
    EXPECT_EQ(try_connect(make_socket().get(), cid_of("g2") + 50, 104), EHOSTUNREACH);
}

TEST(PlainConnect, AServerThatHasAClientIsNone) {
    EXPECT_EQ(tell("stuck " + offer_to_us(105)), "ok");
    const auto first = connected(cid_of("g2"), 105);
    EXPECT_EQ(try_connect(make_socket().get(), cid_of("g2"), 105), ECONNRESET);
    EXPECT_EQ(polled(first, POLLOUT), POLLOUT);
}

TEST(PlainConnect, WithoutBlocking) {
    EXPECT_EQ(tell("echo " + offer_to_us(106)), "ok");
    connected(cid_of("g2"), 106); // it is there
    EXPECT_EQ(tell("echo " + offer_to_us(107)), "ok");
    int error = 0;
    const bool is_connected = within_a_moment([&] {
        const auto socket = make_socket(SOCK_NONBLOCK);
        EXPECT_EQ(try_connect(socket.get(), cid_of("g2"), 107), EINPROGRESS);
        EXPECT_NE(polled(socket, POLLOUT), 0);
        socklen_t size = sizeof error;
        EXPECT_EQ(::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size), 0);
        if (error != 0)
            return false;
        const int flags = ::fcntl(socket.get(), F_GETFL);
        EXPECT_EQ(::fcntl(socket.get(), F_SETFL, flags & ~O_NONBLOCK), 0);
        must_echo(socket, 100'000);
        return true;
    });
    EXPECT_TRUE(is_connected) << std::strerror(error);
}

TEST(PlainConnect, ShuttingDownOneHalfStaysHere) {
    EXPECT_EQ(tell("echo " + offer_to_us(108)), "ok");
    const auto socket = connected(cid_of("g2"), 108);
    ASSERT_EQ(::send(socket.get(), "abc", 3, 0), 3);
    ASSERT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
    EXPECT_EQ(::send(socket.get(), "d", 1, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, EPIPE);
    std::array<char, 3> back{};
    EXPECT_EQ(receive_all(socket.get(), back.data(), 3), 3U);
    EXPECT_EQ(polled(socket, POLLIN, 300ms), 0) << "the peer takes it for the end";
    ASSERT_EQ(::shutdown(socket.get(), SHUT_RDWR), 0);
    EXPECT_EQ(read_error(socket), EPIPE);
}

TEST(PlainConnect, ShuttingDownBothHalvesInTurnIsTheEnd) {
    EXPECT_EQ(tell("sink " + offer_to_us(111)), "ok");
    const auto socket = connected(cid_of("g2"), 111);
    const stream_bytes bytes;
    ASSERT_TRUE(send_all(socket.get(), bytes.at(0, 3).data(), 3));
    ASSERT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
    ASSERT_EQ(::shutdown(socket.get(), SHUT_RD), 0);
    EXPECT_EQ(tell("result " + offer_to_us(111)), "3 End of file");
}

TEST(PlainConnect, AProgramThatIsKilledEndsItsStreams) {
    EXPECT_EQ(tell("stuck " + offer_to_us(109), mortals), "ok");
    const auto socket = connected(cid_of("g2"), 109);
    tell("die", mortals);
    EXPECT_NE(polled(socket, POLLIN) & POLLIN, 0);
    EXPECT_EQ(read_error(socket), EPIPE);
    EXPECT_EQ(::send(socket.get(), "x", 1, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, EPIPE);
}

TEST(PlainConnect, ReachesVchanSocketProxy) {
    for (const std::uint64_t size : {1, 300'000, 1'000})
        must_echo(connected(cid_of("dom0"), proxied), size);
}

} // namespace
} // namespace xvsock::guest
