// SPDX-License-Identifier: MIT
// Programs that are compiled with _FORTIFY_SOURCE call other functions where the size of a buffer is known:
// those of the library, and poll(), which works without. Descriptors beyond 1024 are for all that do not use
// select().
#include "run_test.hpp"

#include <array>
#include <csignal>

#include <fcntl.h>
#include <sys/resource.h>

// The C library's, which its headers declare only for those who do not need it.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {
ssize_t __read_chk(int, void*, size_t, size_t);
ssize_t __recv_chk(int, void*, size_t, size_t, int);
ssize_t __recvfrom_chk(int, void*, size_t, size_t, int, sockaddr*, socklen_t*);
int __poll_chk(pollfd*, nfds_t, int, size_t);
}
// NOLINTEND(bugprone-reserved-identifier)

namespace xvsock::guest {
namespace {

using RunFortified = Run;
XVSOCK_BOTH_WAYS(RunFortified);

TEST_P(RunFortified, OnAHighDescriptor) {
    const rlimit enough{4096, 4096};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &enough), 0);
    const descriptor socket(::fcntl(connected(GetParam(), run_echo).get(), F_DUPFD_CLOEXEC, 2000));
    ASSERT_GE(socket.get(), 2000);
    ASSERT_EQ(::send(socket.get(), "abcdef", 6, 0), 6);
    pollfd ready{socket.get(), POLLIN, 0};
    EXPECT_EQ(__poll_chk(&ready, 1, 10000, sizeof ready), 1);
    EXPECT_EQ(ready.revents, POLLIN);
    std::array<char, 7> got{};
    EXPECT_EQ(__recv_chk(socket.get(), got.data(), 6, got.size(), MSG_PEEK | MSG_WAITALL), 6);
    EXPECT_EQ(__recv_chk(socket.get(), got.data(), 2, got.size(), 0), 2);
    EXPECT_EQ(__read_chk(socket.get(), got.data() + 2, 2, 5), 2);
    EXPECT_EQ(__recvfrom_chk(socket.get(), got.data() + 4, 2, 3, 0, nullptr, nullptr), 2);
    EXPECT_STREQ(got.data(), "abcdef");
    // What their plain ones know.
    EXPECT_EQ(__recv_chk(socket.get(), got.data(), 1, 7, MSG_OOB), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(__recvfrom_chk(socket.get(), got.data(), 1, 7, MSG_OOB, nullptr, nullptr), -1);
    EXPECT_EQ(errno, EINVAL);
    const auto listener = listening(5145);
    EXPECT_EQ(__read_chk(listener.get(), got.data(), 1, 7), -1);
    EXPECT_EQ(errno, ENOTCONN);
}

TEST_P(RunFortified, EndsTheProgramRatherThanOverflow) {
    const auto socket = connected(GetParam(), run_echo);
    ASSERT_EQ(::send(socket.get(), "abcdef", 6, 0), 6);
    using call = ssize_t (*)(int, char*);
    const call calls[] = {
        [](int fd, char* room) { return __read_chk(fd, room, 6, 2); },
        [](int fd, char* room) { return __recv_chk(fd, room, 6, 2, 0); },
        [](int fd, char* room) { return __recvfrom_chk(fd, room, 6, 2, 0, nullptr, nullptr); },
    };
    for (const auto& one : calls) {
        const pid_t child = ::fork();
        if (child == 0) {
            ::close(STDERR_FILENO); // which would be told of it
            std::array<char, 6> room{};
            one(socket.get(), room.data());
            ::_exit(0);
        }
        const int status = wait_for(child);
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

} // namespace
} // namespace xvsock::guest
