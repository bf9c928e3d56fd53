// SPDX-License-Identifier: MIT
// Connecting, and what a connected socket says of itself.
#include "run_test.hpp"

#include <csignal>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/time.h>
#include <thread>

namespace xvsock::guest {
namespace {

using RunConnect = Run;
XVSOCK_BOTH_WAYS(RunConnect);

TEST_P(RunConnect, Echoes) {
    for (const std::size_t size : {1, 1000, 100'000})
        must_echo(connected(GetParam(), run_echo).get(), size);
}

TEST_P(RunConnect, BothEndsHaveNamesOfIp) {
    const auto socket = connected(GetParam(), run_who);
    const auto line = receive_line(socket.get());
    EXPECT_EQ(name_by(::getpeername, socket), std::pair(address_of(GetParam()), std::uint16_t{run_who}));
    const auto [address, port] = name_by(::getsockname, socket);
    EXPECT_EQ(address, address_of(GetParam(), "g2"));
    EXPECT_NE(port, 0);
    EXPECT_EQ(line, address + " " + std::to_string(port)); // as the peer sees it
}

TEST_P(RunConnect, NamesAreCutOffAsEver) {
    const auto socket = connected(GetParam(), run_echo);
    sockaddr_in address{};
    socklen_t size = 4;
    ASSERT_EQ(::getpeername(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    EXPECT_EQ(size, sizeof address);
    EXPECT_EQ(ntohs(address.sin_port), run_echo);
    EXPECT_EQ(address.sin_addr.s_addr, 0U);
}

TEST_P(RunConnect, IsRefusedWhereNobodyListens) {
    const auto socket = tcp_socket();
    EXPECT_EQ(connect_error(socket, at(address_of(GetParam()), run_nobody)), ECONNREFUSED);
    EXPECT_EQ(name_by(::getpeername, socket).first, std::strerror(ENOTCONN));
    // The same socket may be used for somebody else, by either path.
    EXPECT_EQ(connect_error(socket, at(address_of(path::tcp), run_echo)), 0);
    must_echo(socket.get());
}

TEST_P(RunConnect, TwiceIsOnceTooMany) {
    const auto socket = connected(GetParam(), run_echo);
    EXPECT_EQ(connect_error(socket, at(address_of(GetParam()), run_echo)), EISCONN);
}

TEST_P(RunConnect, WithoutBlocking) {
    const auto socket = tcp_socket(AF_INET, SOCK_NONBLOCK);
    EXPECT_EQ(connect_error(socket, at(address_of(GetParam()), run_echo)), EINPROGRESS);
    EXPECT_EQ(polled(socket, POLLOUT), POLLOUT);
    EXPECT_EQ(option<int>(socket, SOL_SOCKET, SO_ERROR), 0);
    EXPECT_EQ(name_by(::getpeername, socket).second, run_echo);
    char byte = 0;
    EXPECT_EQ(::recv(socket.get(), &byte, 1, 0), -1);
    EXPECT_EQ(errno, EAGAIN);
}

TEST_P(RunConnect, WithoutBlockingWhereNobodyListens) {
    const auto socket = tcp_socket(AF_INET, SOCK_NONBLOCK);
    EXPECT_EQ(connect_error(socket, at(address_of(GetParam()), run_nobody)), EINPROGRESS);
    EXPECT_NE(polled(socket, POLLOUT) & POLLOUT, 0);
    EXPECT_EQ(option<int>(socket, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
    EXPECT_EQ(option<int>(socket, SOL_SOCKET, SO_ERROR), 0);
}

/// Some programs ask by connecting again.
TEST_P(RunConnect, AgainTellsWhatHasBecomeOfIt) {
    auto socket = tcp_socket(AF_INET, SOCK_NONBLOCK);
    EXPECT_EQ(connect_error(socket, at(address_of(GetParam()), run_nobody)), EINPROGRESS);
    EXPECT_NE(polled(socket, POLLOUT) & POLLOUT, 0);
    EXPECT_EQ(connect_error(socket, at(address_of(GetParam()), run_nobody)), ECONNREFUSED);

    socket = tcp_socket(AF_INET, SOCK_NONBLOCK);
    EXPECT_EQ(connect_error(socket, at(address_of(GetParam()), run_echo)), EINPROGRESS);
    EXPECT_EQ(polled(socket, POLLOUT), POLLOUT);
    EXPECT_EQ(connect_error(socket, at(address_of(GetParam()), run_echo)), 0);
    EXPECT_EQ(connect_error(socket, at(address_of(GetParam()), run_echo)), EISCONN);
}

TEST_P(RunConnect, GoesOnAfterSignals) {
    struct sigaction counting {};
    struct sigaction before {};
    counting.sa_handler = [](int) {};
    counting.sa_flags = SA_RESTART;
    ASSERT_EQ(::sigaction(SIGALRM, &counting, &before), 0);
    const itimerval often{{0, 200}, {0, 200}};
    const itimerval never{};
    ASSERT_EQ(::setitimer(ITIMER_REAL, &often, nullptr), 0);
    for (int i = 0; i < 50; ++i)
        EXPECT_EQ(connect_error(tcp_socket(), at(address_of(GetParam()), run_hang_up)), 0) << i;
    ::setitimer(ITIMER_REAL, &never, nullptr);
    ::sigaction(SIGALRM, &before, nullptr);
}

TEST_P(RunConnect, InAnEpollFromBefore) {
    for (const std::uint32_t edge : {0U, static_cast<std::uint32_t>(EPOLLET)}) {
        const descriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
        const auto socket = tcp_socket(AF_INET, SOCK_NONBLOCK);
        epoll_event event{.events = EPOLLIN | EPOLLOUT | edge, .data = {.u64 = 0x1234567890}};
        ASSERT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, socket.get(), &event), 0);
        epoll_event got{};
        ::epoll_wait(epoll.get(), &got, 1, 0); // of a socket that is not connected
        EXPECT_EQ(connect_error(socket, at(address_of(GetParam()), run_echo)), EINPROGRESS);
        const auto end = std::chrono::steady_clock::now() + 10s;
        do {
            got = {};
            ASSERT_EQ(::epoll_wait(epoll.get(), &got, 1, 10000), 1);
        } while ((got.events & EPOLLHUP) != 0 && std::chrono::steady_clock::now() < end);
        EXPECT_EQ(got.data.u64, 0x1234567890U);
        EXPECT_EQ(got.events, static_cast<std::uint32_t>(EPOLLOUT));
        EXPECT_EQ(option<int>(socket, SOL_SOCKET, SO_ERROR), 0);
        ASSERT_EQ(::send(socket.get(), "x", 1, 0), 1);
        EXPECT_NE(polled(socket, POLLIN), 0);
        ASSERT_EQ(::epoll_wait(epoll.get(), &got, 1, 10000), 1);
        EXPECT_NE(got.events & EPOLLIN, 0U);
        EXPECT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, socket.get(), nullptr), 0);
        EXPECT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, socket.get(), nullptr), -1);
        EXPECT_EQ(errno, ENOENT);
    }
}

TEST_P(RunConnect, FromAPortOfItsChoice) {
    const auto socket = tcp_socket();
    const auto here = at("0.0.0.0", GetParam() == path::tcp ? 5001 : 5002);
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);
    ASSERT_EQ(connect_error(socket, at(address_of(GetParam()), run_who)), 0);
    EXPECT_EQ(receive_line(socket.get()),
              address_of(GetParam(), "g2") + " " + std::to_string(ntohs(here.sin_port)));
}

TEST_P(RunConnect, FromAPortOfTheSystemsChoice) {
    std::vector<descriptor> all;
    for (int i = 0; i < 20; ++i) {
        all.push_back(tcp_socket());
        const auto here = at("0.0.0.0", 0);
        ASSERT_EQ(::bind(all.back().get(), reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);
        ASSERT_EQ(connect_error(all.back(), at(address_of(GetParam()), run_echo)), 0) << i;
    }
    must_echo(all.front().get());
}

TEST_P(RunConnect, ByIpv6) {
    const auto mapped = "::ffff:" + address_of(GetParam());
    auto socket = tcp_socket(AF_INET6);
    ASSERT_EQ(connect_error(socket, at6(mapped, run_echo)), 0);
    must_echo(socket.get());
    EXPECT_EQ(name_by(::getpeername, socket), std::pair(mapped, std::uint16_t{run_echo}));
    EXPECT_EQ(name_by(::getsockname, socket).first, "::ffff:" + address_of(GetParam(), "g2"));
    EXPECT_EQ(option<int>(socket, SOL_SOCKET, SO_DOMAIN), AF_INET6);
    if (GetParam() == path::tcp)
        return;
    char literal[64];
    std::snprintf(literal, sizeof literal, "fd78:7673:6f63:6b00::%x", std::stoi(variable("CID_g1")));
    socket = tcp_socket(AF_INET6);
    ASSERT_EQ(connect_error(socket, at6(literal, run_echo)), 0);
    must_echo(socket.get());
    EXPECT_EQ(name_by(::getpeername, socket).first, literal);
}

TEST_P(RunConnect, ManyThreads) {
    std::vector<std::thread> threads;
    threads.reserve(8);
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([way = GetParam()] {
            for (int round = 0; round < 10; ++round)
                must_echo(connected(way, run_echo).get());
        });
    for (auto& one : threads)
        one.join();
}

TEST_P(RunConnect, OnAHighDescriptorAndInSelect) {
    const rlimit enough{4096, 4096};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &enough), 0);
    const descriptor high(::fcntl(tcp_socket().get(), F_DUPFD_CLOEXEC, 3000));
    ASSERT_GE(high.get(), 3000);
    ASSERT_EQ(connect_error(high, at(address_of(GetParam()), run_echo)), 0);
    must_echo(high.get());

    const auto low = connected(GetParam(), run_echo);
    ASSERT_LT(low.get(), FD_SETSIZE);
    ASSERT_EQ(::send(low.get(), "x", 1, 0), 1);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(low.get(), &set);
    timeval limit{10, 0};
    EXPECT_EQ(::select(low.get() + 1, &set, nullptr, nullptr, &limit), 1);
    EXPECT_TRUE(FD_ISSET(low.get(), &set));
}

} // namespace
} // namespace xvsock::guest
