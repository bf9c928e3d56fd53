// SPDX-License-Identifier: MIT
// Our listeners are reached by a program's libxenvchan client.
#include "plain_test.hpp"

namespace xvsock::guest {
namespace {

std::string visit(std::uint32_t port) {
    return tell("visit " + offer_of_ours(port));
}

TEST(PlainListen, MovesBytesBothWays) {
    const auto listener = listen_on(visited, 8);
    for (const std::uint64_t size : {1, 65'536, 1'000'000}) {
        EXPECT_EQ(visit(visited), "ok");
        const auto socket = accepted(listener);
        ASSERT_GE(socket.get(), 0);
        sockaddr_vm peer{};
        socklen_t length = sizeof peer;
        ASSERT_EQ(::getpeername(socket.get(), reinterpret_cast<sockaddr*>(&peer), &length), 0);
        EXPECT_EQ(peer.svm_cid, cid_of("g2"));
        must_echo(socket, size);
    }
}

TEST(PlainListen, ManyAtOnce) {
    const auto listener = listen_on(visited, 8);
    std::vector<descriptor> sockets;
    for (int i = 0; i < 8; ++i) {
        EXPECT_EQ(visit(visited), "ok");
        sockets.push_back(accepted(listener));
        ASSERT_GE(sockets.back().get(), 0) << i;
    }
    for (const auto& socket : sockets)
        must_echo(socket, 50'000);
}

/// All want the same offer: one gets it, the others the next ones.
TEST(PlainListen, ManyAtTheSameMoment) {
    const auto listener = listen_on(visited, 8);
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(visit(visited), "ok");
    for (int i = 0; i < 5; ++i) {
        const auto socket = accepted(listener);
        ASSERT_GE(socket.get(), 0) << i;
        must_echo(socket, 20'000);
    }
}

TEST(PlainListen, ACloseIsSeenOnBothSides) {
    const auto listener = listen_on(visited, 8);
    EXPECT_EQ(visit(visited), "ok");
    auto socket = accepted(listener);
    ASSERT_GE(socket.get(), 0);
    ASSERT_EQ(::send(socket.get(), "abc", 3, 0), 3);
    std::array<char, 3> back{};
    EXPECT_EQ(receive_all(socket.get(), back.data(), 3), 3U);
    EXPECT_TRUE(within_a_moment([] { return counter("accepted") == 1; })); // others were before
    socket.close(); // g2 closes then, and lets go of our pages
    EXPECT_TRUE(within_a_moment([] { return counter("accepted") == 0; }));
}

TEST(PlainListen, WhereNobodyListensTheStreamEnds) {
    const auto before = counter("refused");
    EXPECT_EQ(visit(refused), "ok");
    EXPECT_TRUE(within_a_moment([&] { return counter("refused") > before; }));
    // And the next one is offered.
    const auto listener = listen_on(refused, 1);
    EXPECT_EQ(visit(refused), "ok");
    const auto socket = accepted(listener);
    ASSERT_GE(socket.get(), 0);
    must_echo(socket, 1'000);
}

TEST(PlainListen, AFullBacklogIsAsNoListener) {
    const auto listener = listen_on(visited, 0);
    EXPECT_EQ(visit(visited), "ok"); // takes the place of one
    ASSERT_EQ(polled(listener, POLLIN), POLLIN);
    const auto before = counter("refused");
    EXPECT_EQ(visit(visited), "ok");
    EXPECT_TRUE(within_a_moment([&] { return counter("refused") > before; }));
    const auto socket = accepted(listener);
    ASSERT_GE(socket.get(), 0);
    must_echo(socket, 1'000);
}

TEST(PlainListen, IsReachedByVchanSocketProxy) {
    const auto listener = listen_on(to_proxy, 1);
    ASSERT_EQ(std::system("tb signal proxy-connects"), 0);
    const auto socket = accepted(listener, 10 * patience());
    ASSERT_GE(socket.get(), 0);
    must_echo(socket, 300'000);
}

/// dom0 names another port, and takes one back, whose connections end. (It looks itself whether that is
/// offered.)
TEST(PlainPorts, Change) {
    const auto listener = listen_on(unnamed, 1);
    const auto old_listener = listen_on(visited, 1);
    EXPECT_EQ(visit(visited), "ok");
    const auto old = accepted(old_listener);
    ASSERT_GE(old.get(), 0);
    ASSERT_EQ(std::system("tb signal change-ports && tb wait ports-changed 200"), 0);
    EXPECT_EQ(visit(unnamed), "ok");
    const auto socket = accepted(listener);
    ASSERT_GE(socket.get(), 0);
    must_echo(socket, 1'000);
    EXPECT_NE(polled(old, POLLIN) & POLLERR, 0);
    EXPECT_EQ(read_error(old), ECONNRESET);
}

/// What ends connections in the middle of something. `later` is what a new one fails with.
void expect_reset(const std::string& what, int later) {
    EXPECT_EQ(tell("stuck " + offer_to_us(110)), "ok");
    const auto first = connected(cid_of("g2"), 110);
    const auto listener = listen_on(unnamed, 1);
    EXPECT_EQ(visit(unnamed), "ok");
    const auto second = accepted(listener);
    ASSERT_GE(second.get(), 0);
    ASSERT_EQ(std::system(("tb signal " + what + " && tb wait done-" + what + " 200").c_str()), 0);
    const auto begin = clock::now();
    for (const auto* socket : {&first, &second}) {
        EXPECT_NE(polled(*socket, POLLIN), 0);
        const int error = read_error(*socket);
        // A vchan_stream that sees the link's nodes go before this domain does closes in good order.
        EXPECT_TRUE(error == ECONNRESET || (error == EPIPE && what.ends_with("-link"))) << error;
    }
    EXPECT_LT(clock::now() - begin, patience() / 3);
    if (later != 0) {
        EXPECT_EQ(try_connect(make_socket().get(), cid_of("g2"), 110), later);
    }
}

/// What ends them for a moment only.
void expect_reset_and_all_again(const std::string& what) {
    expect_reset(what, 0);
    EXPECT_TRUE(
        within_a_moment([] { return try_connect(make_socket().get(), cid_of("g2"), commands) == 0; }));
    const auto listener = listen_on(unnamed, 1);
    EXPECT_EQ(visit(unnamed), "ok");
    const auto socket = accepted(listener);
    ASSERT_GE(socket.get(), 0);
    must_echo(socket, 1'000);
}

/// A checkpoint of this domain, which goes on with the links that it had.
TEST(PlainEnd, OfACheckpoint) {
    expect_reset_and_all_again("checkpoint");
}

/// dom0 removes the link and makes it anew while this domain does not run.
TEST(PlainEnd, OfALinkThatIsMadeAnewUnseen) {
    expect_reset_and_all_again("renew-link");
}

TEST(PlainEnd, OfTheLink) {
    expect_reset("remove-link", EHOSTUNREACH);
}

TEST(PlainEnd, OfTheDomain) {
    expect_reset("destroy", EHOSTUNREACH);
}

} // namespace
} // namespace xvsock::guest
