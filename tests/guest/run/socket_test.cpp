// SPDX-License-Identifier: MIT
// A connected socket: options, ends, copies of it, and other processes.
#include "run_test.hpp"

#include <thread>

#include <fcntl.h>
#include <sys/ioctl.h>

namespace xvsock::guest {
namespace {

using RunSocket = Run;
XVSOCK_BOTH_WAYS(RunSocket);

TEST_P(RunSocket, IsOneOfTcp) {
    const auto socket = connected(GetParam(), run_echo);
    EXPECT_EQ(option<int>(socket, SOL_SOCKET, SO_DOMAIN), AF_INET);
    EXPECT_EQ(option<int>(socket, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
    EXPECT_EQ(option<int>(socket, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
    EXPECT_EQ(option<int>(socket, SOL_SOCKET, SO_ACCEPTCONN), 0);
    EXPECT_EQ(option<tcp_info>(socket, IPPROTO_TCP, TCP_INFO).tcpi_state, TCP_ESTABLISHED);
}

TEST_P(RunSocket, KeepsItsOptions) {
    auto socket = tcp_socket();
    EXPECT_EQ(option<int>(socket, IPPROTO_TCP, TCP_NODELAY), 0);
    EXPECT_EQ(set(socket, IPPROTO_TCP, TCP_NODELAY, 1), 0); // before
    EXPECT_EQ(set(socket, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
    ASSERT_EQ(connect_error(socket, at(address_of(GetParam()), run_echo)), 0);
    EXPECT_EQ(option<int>(socket, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(option<int>(socket, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(set(socket, IPPROTO_TCP, TCP_KEEPIDLE, 77), 0); // and after
    EXPECT_EQ(option<int>(socket, IPPROTO_TCP, TCP_KEEPIDLE), 77);
    EXPECT_EQ(set(socket, IPPROTO_TCP, TCP_NODELAY, 0), 0);
    EXPECT_EQ(option<int>(socket, IPPROTO_TCP, TCP_NODELAY), 0);
    EXPECT_EQ(set(socket, IPPROTO_IP, IP_TOS, 0x10), 0);
    EXPECT_EQ(option<int>(socket, IPPROTO_IP, IP_TOS), 0x10);
    // What TCP does not take is not taken.
    EXPECT_EQ(set(socket, IPPROTO_TCP, TCP_KEEPIDLE, 0), EINVAL);
    EXPECT_EQ(set(socket, IPPROTO_TCP, 999, 1), ENOPROTOOPT);
    int value = 0;
    socklen_t size = sizeof value;
    EXPECT_EQ(::getsockopt(socket.get(), IPPROTO_TCP, 999, &value, &size), -1);
    EXPECT_EQ(errno, ENOPROTOOPT);
    EXPECT_EQ(::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &value, 1), -1);
    EXPECT_EQ(errno, EINVAL);
}

TEST_P(RunSocket, CountsWhatCanBeRead) {
    const auto socket = connected(GetParam(), run_echo);
    int count = -1;
    EXPECT_EQ(::ioctl(socket.get(), FIONREAD, &count), 0);
    EXPECT_EQ(count, 0);
    ASSERT_EQ(::send(socket.get(), "12345", 5, 0), 5);
    for (int i = 0; i < 500 && count < 5; ++i) {
        ASSERT_EQ(polled(socket, POLLIN), POLLIN);
        ASSERT_EQ(::ioctl(socket.get(), FIONREAD, &count), 0);
        std::this_thread::sleep_for(10ms);
    }
    EXPECT_EQ(count, 5);
    std::array<char, 5> got{};
    EXPECT_EQ(receive_all(socket.get(), got.data(), 5), 5U);
    const int yes = 1;
    EXPECT_EQ(::ioctl(socket.get(), FIONBIO, &yes), 0);
    EXPECT_EQ(::recv(socket.get(), got.data(), 1, 0), -1);
    EXPECT_EQ(errno, EAGAIN);
}

TEST_P(RunSocket, HalfClosed) {
    const auto socket = connected(GetParam(), run_echo);
    ASSERT_EQ(::send(socket.get(), "abc", 3, 0), 3);
    ASSERT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
    std::array<char, 10> got{};
    EXPECT_EQ(receive_all(socket.get(), got.data(), got.size()), 3U);
    EXPECT_EQ(::recv(socket.get(), got.data(), 1, 0), 0);
    EXPECT_EQ(connect_error(socket, at("127.0.0.1", run_echo)), EISCONN);
}

TEST_P(RunSocket, HasAPeerAfterAHalfIsClosed) {
    const auto socket = connected(GetParam(), run_echo);
    ASSERT_EQ(::shutdown(socket.get(), SHUT_RD), 0);
    EXPECT_EQ(name_by(::getpeername, socket), std::pair(address_of(GetParam()), std::uint16_t{run_echo}));
}

TEST_P(RunSocket, HasCopies) {
    const auto first = tcp_socket();
    const descriptor second(::dup(first.get())); // before
    ASSERT_EQ(connect_error(first, at(address_of(GetParam()), run_echo)), 0);
    must_echo(second.get());
    EXPECT_EQ(name_by(::getpeername, second).second, run_echo);
    descriptor third(::fcntl(second.get(), F_DUPFD_CLOEXEC, 100));
    ASSERT_EQ(::dup2(third.get(), 90), 90);
    const descriptor fourth(90);
    third.close();
    must_echo(fourth.get());
    EXPECT_EQ(name_by(::getpeername, fourth).second, run_echo);
    // Something else in its place is what it is.
    ASSERT_EQ(::dup2(tcp_socket().get(), 90), 90);
    EXPECT_EQ(name_by(::getpeername, fourth).first, std::strerror(ENOTCONN));
    must_echo(first.get());
}

TEST_P(RunSocket, IsInheritedByAChild) {
    const auto socket = connected(GetParam(), run_echo);
    const pid_t child = ::fork();
    if (child == 0) {
        must_echo(socket.get());
        ::_exit(name_by(::getpeername, socket).second == run_echo && !testing::Test::HasFailure() ? 0 : 1);
    }
    EXPECT_EQ(wait_for(child), 0);
    must_echo(socket.get());
}

TEST_P(RunSocket, IsInheritedByAProgram) {
    const auto socket = connected(GetParam(), run_echo);
    ASSERT_EQ(::fcntl(socket.get(), F_SETFD, 0), 0);
    const auto number = std::to_string(socket.get());
    const auto address = address_of(GetParam());
    const pid_t child = ::fork();
    if (child == 0) {
        ::execl("/proc/self/exe", "run-test", "inherited", number.c_str(), address.c_str(), nullptr);
        ::_exit(9);
    }
    EXPECT_EQ(wait_for(child), 0);
    const pid_t vchild = ::vfork();
    if (vchild == 0) {
        ::close(socket.get()); // the child's, not ours
        ::_exit(0);
    }
    EXPECT_EQ(wait_for(vchild), 0);
    must_echo(socket.get());
    EXPECT_EQ(name_by(::getpeername, socket).second, run_echo);
}

TEST_P(RunSocket, IsGoneWhenItIsClosed) {
    auto socket = connected(GetParam(), run_echo);
    const int number = socket.get();
    socket.close();
    EXPECT_EQ(::close(number), -1);
    EXPECT_EQ(errno, EBADF);
    EXPECT_EQ(::send(number, "x", 1, 0), -1);
    EXPECT_EQ(errno, EBADF);
}

} // namespace
} // namespace xvsock::guest
