// SPDX-License-Identifier: MIT
// Listening: at all addresses for TCP and for peers, and at the own address for peers only.
#include "run_test.hpp"

#include <csignal>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/time.h>

namespace xvsock::guest {
namespace {

using RunListen = Run;
XVSOCK_BOTH_WAYS(RunListen);

TEST_P(RunListen, Accepts) {
    const auto listener = listening(5100);
    EXPECT_EQ(name_by(::getsockname, listener), std::pair(std::string("0.0.0.0"), std::uint16_t{5100}));
    EXPECT_EQ(option<int>(listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
    EXPECT_EQ(option<int>(listener, SOL_SOCKET, SO_REUSEADDR), 1);
    EXPECT_EQ(polled(listener, POLLIN, 0), 0);
    be_visited(GetParam(), 5100);
    EXPECT_EQ(polled(listener, POLLIN), POLLIN);
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    const descriptor socket(::accept(listener.get(), reinterpret_cast<sockaddr*>(&peer), &size));
    must_be_hello(socket);
    EXPECT_EQ(size, sizeof peer);
    EXPECT_EQ(peer.sin_family, AF_INET);
    EXPECT_EQ(peer.sin_addr.s_addr, at(address_of(GetParam()), 0).sin_addr.s_addr);
    EXPECT_EQ(name_by(::getpeername, socket), std::pair(address_of(GetParam()), ntohs(peer.sin_port)));
    EXPECT_EQ(name_by(::getsockname, socket), std::pair(address_of(GetParam(), "g2"), std::uint16_t{5100}));
    EXPECT_EQ(::fcntl(socket.get(), F_GETFD), 0);
    EXPECT_EQ(::fcntl(socket.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_P(RunListen, BlocksUntilSomebodyComes) {
    const auto listener = listening(5101);
    const pid_t child = ::fork();
    if (child == 0) {
        ::usleep(200'000);
        be_visited(GetParam(), 5101);
        ::_exit(0);
    }
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
    ::waitpid(child, nullptr, 0);
}

TEST_P(RunListen, WithoutBlocking) {
    const auto listener = listening(5102);
    ASSERT_EQ(::fcntl(listener.get(), F_SETFL, ::fcntl(listener.get(), F_GETFL) | O_NONBLOCK), 0);
    EXPECT_EQ(::accept(listener.get(), nullptr, nullptr), -1);
    EXPECT_EQ(errno, EAGAIN);
    be_visited(GetParam(), 5102);
    ASSERT_EQ(polled(listener, POLLIN), POLLIN);
    const descriptor socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    ASSERT_GE(socket.get(), 0);
    EXPECT_EQ(::fcntl(socket.get(), F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(::fcntl(socket.get(), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    EXPECT_EQ(::accept(listener.get(), nullptr, nullptr), -1);
    EXPECT_EQ(errno, EAGAIN);
}

TEST_P(RunListen, InAnEpoll) {
    for (const std::uint32_t flags :
         {0U, static_cast<std::uint32_t>(EPOLLET), static_cast<std::uint32_t>(EPOLLEXCLUSIVE)}) {
        const auto listener = listening(5103);
        const descriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
        epoll_event event{.events = EPOLLIN | flags, .data = {.u32 = 77}};
        ASSERT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, listener.get(), &event), 0);
        epoll_event got{};
        EXPECT_EQ(::epoll_wait(epoll.get(), &got, 1, 0), 0);
        for (int i = 0; i < 3; ++i) {
            be_visited(GetParam(), 5103);
            ASSERT_EQ(::epoll_wait(epoll.get(), &got, 1, 10000), 1) << flags;
            EXPECT_EQ(got.data.u32, 77U);
            must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
        }
    }
}

/// As Boost.Asio does it.
TEST_P(RunListen, InAnEpollFromBefore) {
    const auto listener = tcp_socket();
    const descriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u32 = 78}};
    ASSERT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, listener.get(), &event), 0);
    const auto port = static_cast<std::uint16_t>(GetParam() == path::tcp ? 5110 : 5111);
    const auto here = at("0.0.0.0", port);
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);
    epoll_event got[4]{};
    ::epoll_wait(epoll.get(), got, 4, 0);
    ASSERT_EQ(::listen(listener.get(), 8), 0);
    be_visited(GetParam(), port);
    ASSERT_EQ(::epoll_wait(epoll.get(), got, 4, 10000), 1);
    EXPECT_EQ(got[0].data.u32, 78U);
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
    ASSERT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, listener.get(), nullptr), 0);
    be_visited(GetParam(), port);
    EXPECT_EQ(::epoll_wait(epoll.get(), got, 4, 300), 0);
}

TEST_P(RunListen, ByIpv6) {
    const auto listener = tcp_socket(AF_INET6);
    const auto port = static_cast<std::uint16_t>(GetParam() == path::tcp ? 5104 : 5114);
    const auto here = at6("::", port);
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    be_visited(GetParam(), port);
    const descriptor socket(::accept(listener.get(), nullptr, nullptr));
    must_be_hello(socket);
    EXPECT_EQ(name_by(::getpeername, socket).first, "::ffff:" + address_of(GetParam()));
}

TEST_P(RunListen, IsInheritedByChildrenAndPrograms) {
    const auto listener = listening(5105);
    pid_t child = ::fork();
    if (child == 0) {
        be_visited(GetParam(), 5105);
        const descriptor socket(::accept(listener.get(), nullptr, nullptr));
        must_be_hello(socket);
        ::_exit(testing::Test::HasFailure() ? 1 : 0);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);

    ASSERT_EQ(::fcntl(listener.get(), F_SETFD, 0), 0);
    be_visited(GetParam(), 5105);
    child = ::fork();
    if (child == 0) {
        ::execlp("run-test", "run-test", "accepts", std::to_string(listener.get()).c_str(), nullptr);
        ::_exit(9);
    }
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    be_visited(GetParam(), 5105);
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
}

/// As a daemon does it when it begins, or a child before it executes something.
TEST_P(RunListen, SurvivesTheClosingOfEverythingElse) {
    const auto listener = listening(5106);
    for (int other = listener.get() + 1; other < 1024; ++other)
        ::close(other);
    be_visited(GetParam(), 5106);
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
    ASSERT_EQ(::close_range(static_cast<unsigned>(listener.get()) + 1, ~0U, 0), 0);
    be_visited(GetParam(), 5106);
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
}

/// A handler that wants calls to begin again, and one that wants them to end; and a limit.
TEST_P(RunListen, WaitsThroughSignals) {
    const auto listener = listening(5112);
    struct sigaction handling {};
    struct sigaction before {};
    handling.sa_handler = [](int) {};
    const itimerval once{{0, 0}, {0, 100'000}};
    ASSERT_EQ(::sigaction(SIGALRM, &handling, &before), 0);
    ASSERT_EQ(::setitimer(ITIMER_REAL, &once, nullptr), 0);
    EXPECT_EQ(::accept(listener.get(), nullptr, nullptr), -1);
    EXPECT_EQ(errno, EINTR);

    handling.sa_flags = SA_RESTART;
    ASSERT_EQ(::sigaction(SIGALRM, &handling, nullptr), 0);
    ASSERT_EQ(::setitimer(ITIMER_REAL, &once, nullptr), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        ::usleep(400'000);
        be_visited(GetParam(), 5112);
        ::_exit(0);
    }
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
    ::waitpid(child, nullptr, 0);
    ::sigaction(SIGALRM, &before, nullptr);

    const timeval limit{0, 200'000};
    ASSERT_EQ(::setsockopt(listener.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    EXPECT_EQ(::accept(listener.get(), nullptr, nullptr), -1);
    EXPECT_EQ(errno, EAGAIN);
}

/// A number that is one of the library's own, to which the program has a right.
TEST_P(RunListen, GivesWayToTheProgramsNumbers) {
    const auto listener = listening(5113);
    const descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (int number = 490; number < 520; ++number)
        ASSERT_EQ(::dup2(null.get(), number), number);
    be_visited(GetParam(), 5113);
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
    for (int number = 490; number < 520; ++number)
        ASSERT_EQ(::close(number), 0);
    be_visited(GetParam(), 5113);
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
}

TEST_P(RunListen, IsFreeAgainWhenItIsClosed) {
    for (int i = 0; i < 3; ++i) {
        const auto listener = listening(5107);
        be_visited(GetParam(), 5107);
        must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
    }
    const auto socket = connected(GetParam(), run_visit);
    ASSERT_TRUE(send_all(socket.get(), "5107\n", 5));
    EXPECT_EQ(receive_line(socket.get()), "Connection refused");
}

TEST(RunListenHere, OnlyForPeers) {
    const auto listener = listening(5108, carried_address("g2"));
    EXPECT_EQ(name_by(::getsockname, listener), std::pair(carried_address("g2"), std::uint16_t{5108}));
    be_visited(path::carried, 5108);
    const descriptor socket(::accept(listener.get(), nullptr, nullptr));
    must_be_hello(socket);
    EXPECT_EQ(name_by(::getpeername, socket).first, carried_address("g1"));
    EXPECT_EQ(connect_error(tcp_socket(), at("127.0.0.1", 5108)), ECONNREFUSED);
}

TEST(RunListenHere, ServesBothInTurns) {
    const auto listener = listening(5109);
    for (const auto way : {path::tcp, path::carried, path::tcp, path::carried})
        be_visited(way, 5109);
    for (int i = 0; i < 4; ++i)
        must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
    // The loopback is TCP, whatever else is carried.
    const auto socket = tcp_socket();
    ASSERT_EQ(connect_error(socket, at("127.0.0.1", 5109)), 0);
    const descriptor other(::accept(listener.get(), nullptr, nullptr));
    EXPECT_EQ(name_by(::getpeername, other).first, "127.0.0.1");
}

} // namespace
} // namespace xvsock::guest
