// SPDX-License-Identifier: MIT
// Descriptors: every call that copies or closes them, for connections and for listeners.
#include "run_test.hpp"

#include <cstdio>

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/epoll.h>
#include <sys/stat.h>

namespace xvsock::guest {
namespace {

using RunDescriptor = Run;
XVSOCK_BOTH_WAYS(RunDescriptor);

void must_be_connected(int fd) {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    EXPECT_EQ(::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size), 0) << std::strerror(errno);
    EXPECT_EQ(peer.sin_family, AF_INET);
    EXPECT_EQ(ntohs(peer.sin_port), run_echo);
    must_echo(fd);
}

/// Closed, and nothing is known of the number any more.
void must_be_nothing(int fd) {
    EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
    EXPECT_EQ(errno, EBADF);
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    EXPECT_EQ(::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size), -1);
    EXPECT_EQ(errno, EBADF);
    EXPECT_EQ(::send(fd, "x", 1, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, EBADF);
}

/// A pipe, or whatever else takes the number, is what it is.
void must_be_a_file(int fd) {
    EXPECT_EQ(::send(fd, "x", 1, 0), -1);
    EXPECT_EQ(errno, ENOTSOCK);
    sockaddr_in name{};
    socklen_t size = sizeof name;
    EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size), -1);
    EXPECT_EQ(errno, ENOTSOCK);
    int value = 0;
    size = sizeof value;
    EXPECT_EQ(::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &size), -1);
    EXPECT_EQ(errno, ENOTSOCK);
}

TEST_P(RunDescriptor, CopiedByEveryCall) {
    auto socket = connected(GetParam(), run_echo);
    const descriptor by_dup(::dup(socket.get()));
    const descriptor by_dup2(::dup2(socket.get(), 201));
    const descriptor by_dup3(::dup3(socket.get(), 202, O_CLOEXEC));
    const descriptor by_fcntl(::fcntl(socket.get(), F_DUPFD, 203));
    const descriptor by_fcntl64(::fcntl64(socket.get(), F_DUPFD_CLOEXEC, 204));
    socket.close();
    for (const auto* const one : {&by_dup, &by_dup2, &by_dup3, &by_fcntl, &by_fcntl64})
        must_be_connected(one->get());
    EXPECT_EQ(::fcntl(by_dup2.get(), F_GETFD), 0);
    EXPECT_EQ(::fcntl(by_dup3.get(), F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(::fcntl(by_fcntl.get(), F_GETFD), 0);
    EXPECT_EQ(::fcntl64(by_fcntl64.get(), F_GETFD), FD_CLOEXEC);
    // Over a number that is taken, by something that is nothing of ours.
    const descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    EXPECT_EQ(::dup3(null.get(), by_dup3.get(), O_CLOEXEC), by_dup3.get());
    must_be_a_file(by_dup3.get());
    EXPECT_EQ(::dup2(null.get(), by_dup2.get()), by_dup2.get());
    must_be_a_file(by_dup2.get());
    must_be_connected(by_dup.get());
}

TEST_P(RunDescriptor, WhatCannotBeCopied) {
    const auto socket = connected(GetParam(), run_echo);
    EXPECT_EQ(::dup(-1), -1);
    EXPECT_EQ(errno, EBADF);
    EXPECT_EQ(::dup2(socket.get(), -1), -1);
    EXPECT_EQ(errno, EBADF);
    EXPECT_EQ(::dup2(socket.get(), socket.get()), socket.get());
    EXPECT_EQ(::dup3(socket.get(), socket.get(), 0), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(::dup3(socket.get(), 205, O_NONBLOCK), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(::fcntl(socket.get(), F_DUPFD, -1), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(::fcntl64(socket.get(), 9999, 0), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(::close(-1), -1);
    EXPECT_EQ(errno, EBADF);
    must_be_connected(socket.get());
}

TEST_P(RunDescriptor, ClosedAsARange) {
    const auto socket = connected(GetParam(), run_echo);
    for (const int copy : {300, 301, 302, 303, 304})
        ASSERT_EQ(::dup2(socket.get(), copy), copy);
    EXPECT_EQ(::close_range(302, 301, 0), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(::close_range(301, 302, 0x40), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(::close_range(301, 302, CLOSE_RANGE_CLOEXEC), 0);
    EXPECT_EQ(::fcntl(300, F_GETFD), 0);
    EXPECT_EQ(::fcntl(301, F_GETFD), FD_CLOEXEC);
    must_be_connected(301);
    EXPECT_EQ(::close_range(301, 302, 0), 0);
    must_be_nothing(301);
    must_be_nothing(302);
    must_be_connected(300);
    must_be_connected(303);
    ::closefrom(300);
    for (const int copy : {300, 303, 304})
        must_be_nothing(copy);
    must_be_connected(socket.get());
}

TEST_P(RunDescriptor, AListenerSurvivesClosefrom) {
    const auto listener = listening(5130);
    ::closefrom(listener.get() + 1);
    be_visited(GetParam(), 5130);
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
    ASSERT_EQ(::close_range(static_cast<unsigned>(listener.get()), ~0U, CLOSE_RANGE_CLOEXEC), 0);
    be_visited(GetParam(), 5130);
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
}

TEST_P(RunDescriptor, AListenerIsClosedByClosefrom) {
    ASSERT_EQ(::dup2(listening(5131).get(), 400), 400);
    be_visited(GetParam(), 5131);
    must_be_hello(descriptor(::accept(400, nullptr, nullptr)));
    ::closefrom(400);
    must_be_nothing(400);
    const auto listener = listening(5131); // whose port is free again
    be_visited(GetParam(), 5131);
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
}

TEST_P(RunDescriptor, AsAFileOfTheCLibrary) {
    const auto socket = connected(GetParam(), run_echo);
    const int copy = ::dup(socket.get());
    FILE* const file = ::fdopen(copy, "r+");
    ASSERT_NE(file, nullptr);
    EXPECT_EQ(std::fputs("line\n", file), 1);
    EXPECT_EQ(std::fflush(file), 0);
    char line[16] = "";
    EXPECT_STREQ(std::fgets(line, sizeof line, file), "line\n");
    EXPECT_EQ(::fclose(file), 0);
    must_be_nothing(copy);
    const descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    ASSERT_EQ(null.get(), copy); // the lowest that is free
    must_be_a_file(null.get());
    EXPECT_EQ(::connect(null.get(), nullptr, 0), -1);
    EXPECT_EQ(errno, ENOTSOCK);
    must_be_connected(socket.get());
}

TEST_P(RunDescriptor, IsASocketByStat) {
    const auto socket = connected(GetParam(), run_echo);
    const auto listener = listening(5132);
    for (const auto* const one : {&socket, &listener}) {
        struct stat status {};
        EXPECT_EQ(::fstat(one->get(), &status), 0);
        EXPECT_TRUE(S_ISSOCK(status.st_mode));
        struct stat64 large {};
        EXPECT_EQ(::fstat64(one->get(), &large), 0);
        EXPECT_TRUE(S_ISSOCK(large.st_mode));
    }
    struct stat status {};
    EXPECT_EQ(::fstat(-1, &status), -1);
    EXPECT_EQ(errno, EBADF);
    struct stat64 large {};
    EXPECT_EQ(::fstat64(-1, &large), -1);
    EXPECT_EQ(errno, EBADF);
}

TEST_P(RunDescriptor, InAnEpollAsTcp) {
    const descriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
    const auto socket = connected(GetParam(), run_echo);
    const auto listener = listening(5133);
    epoll_event event{.events = EPOLLIN, .data = {.u32 = 1}};
    for (const auto* const one : {&socket, &listener}) {
        EXPECT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_MOD, one->get(), &event), -1);
        EXPECT_EQ(errno, ENOENT);
        EXPECT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, one->get(), nullptr), -1);
        EXPECT_EQ(errno, ENOENT);
        EXPECT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, one->get(), &event), 0);
        EXPECT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, one->get(), &event), -1);
        EXPECT_EQ(errno, EEXIST);
        EXPECT_EQ(::epoll_ctl(epoll.get(), 99, one->get(), &event), -1);
        EXPECT_EQ(errno, EINVAL);
        EXPECT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_MOD, one->get(), nullptr), -1);
        EXPECT_EQ(errno, EFAULT);
        EXPECT_EQ(::epoll_ctl(-1, EPOLL_CTL_MOD, one->get(), &event), -1);
        EXPECT_EQ(errno, EBADF);
    }
    EXPECT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, -1, &event), -1);
    EXPECT_EQ(errno, EBADF);
}

} // namespace
} // namespace xvsock::guest
