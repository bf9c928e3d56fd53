// SPDX-License-Identifier: MIT
// Bytes that do not come from, or go to, a user's buffer: splice() and sendfile().
#include "stream_test.hpp"

#include <array>
#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

namespace xvsock::guest {
namespace {

constexpr std::size_t size = (1 << 20) + 12345; // more than any ring, and no whole pages

struct pipe_ends {
    descriptor out, in;
};

pipe_ends make_pipe() {
    std::array<int, 2> fds{-1, -1};
    EXPECT_EQ(::pipe2(fds.data(), O_CLOEXEC), 0);
    return {.out = descriptor{fds[0]}, .in = descriptor{fds[1]}};
}

// A file in memory, with this much of the pattern in it.
descriptor make_file(std::size_t bytes) {
    descriptor result{::memfd_create("test", MFD_CLOEXEC)};
    EXPECT_GE(result.get(), 0);
    const auto data = pattern_bytes(0, bytes);
    EXPECT_EQ(::write(result.get(), data.data(), data.size()), static_cast<ssize_t>(bytes));
    EXPECT_EQ(::lseek(result.get(), 0, SEEK_SET), 0);
    return result;
}

void expect_contents(int file, std::size_t bytes) {
    std::vector<std::uint8_t> data(bytes + 1);
    ASSERT_EQ(::pread(file, data.data(), data.size(), 0), static_cast<ssize_t>(bytes));
    data.pop_back();
    EXPECT_TRUE(data == pattern_bytes(0, bytes));
}

class Splice : public both_roles {};

TEST_P(Splice, SendfileToTheSocket) {
    const auto file = make_file(size);
    remote.begin(remote_op::receive, {.size = size});
    for (std::size_t sent = 0; sent < size;) {
        const auto n = ::sendfile(socket.get(), file.get(), nullptr, size - sent);
        ASSERT_GT(n, 0) << std::strerror(errno);
        sent += static_cast<std::size_t>(n);
    }
    const auto answer = remote.finish();
    EXPECT_EQ(answer.result, static_cast<std::int64_t>(size));
    EXPECT_EQ(answer.wrong, 0U);
}

// What does not fit stays in the file.
TEST_P(Splice, SendfileWithoutWaiting) {
    const auto file = make_file(size);
    set_blocking(socket.get(), false);
    off_t at = 0;
    while (at < static_cast<off_t>(default_buffer)) {
        const auto n = ::sendfile(socket.get(), file.get(), &at, size - static_cast<std::size_t>(at));
        if (n < 0) {
            ASSERT_EQ(errno, EAGAIN);
            ASSERT_TRUE(poll_for(socket.get(), POLLOUT)) << "after " << at; // the large ring
        }
    }
    EXPECT_EQ(::sendfile(socket.get(), file.get(), &at, size - static_cast<std::size_t>(at)), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(at, static_cast<off_t>(default_buffer));
    remote.expect(default_buffer);
}

TEST_P(Splice, FromAPipeToTheSocket) {
    auto pipe = make_pipe();
    std::jthread writer([&in = pipe.in] {
        const auto data = pattern_bytes(0, size);
        EXPECT_EQ(::write(in.get(), data.data(), data.size()), static_cast<ssize_t>(size));
        in.close();
    });
    remote.begin(remote_op::receive, {.size = size});
    std::size_t moved = 0;
    for (;;) {
        const auto n = ::splice(pipe.out.get(), nullptr, socket.get(), nullptr, 100000, SPLICE_F_MORE);
        EXPECT_GE(n, 0) << std::strerror(errno);
        if (n <= 0)
            break;
        moved += static_cast<std::size_t>(n);
    }
    writer.join();
    EXPECT_EQ(moved, size);
    const auto answer = remote.finish();
    EXPECT_EQ(answer.result, static_cast<std::int64_t>(size));
    EXPECT_EQ(answer.wrong, 0U);
}

TEST_P(Splice, FromTheSocketToAPipeToAFile) {
    const auto [out, in] = make_pipe();
    const descriptor file{::memfd_create("test", MFD_CLOEXEC)};
    remote.begin(remote_op::send, {.size = size});
    for (std::size_t moved = 0; moved < size;) {
        const auto n = ::splice(socket.get(), nullptr, in.get(), nullptr, size - moved, 0);
        ASSERT_GT(n, 0) << std::strerror(errno) << " after " << moved;
        for (ssize_t written = 0; written < n;) {
            const auto m =
                ::splice(out.get(), nullptr, file.get(), nullptr, static_cast<std::size_t>(n - written), 0);
            ASSERT_GT(m, 0) << std::strerror(errno);
            written += m;
        }
        moved += static_cast<std::size_t>(n);
    }
    EXPECT_EQ(remote.finish().result, static_cast<std::int64_t>(size));
    expect_contents(file.get(), size);
    remote.shut(SHUT_WR);
    EXPECT_EQ(::splice(socket.get(), nullptr, in.get(), nullptr, 100, 0), 0) << "the end of input";
}

// A pipe that is full takes no byte away from the socket.
TEST_P(Splice, IntoAFullPipeLosesNothing) {
    const auto [out, in] = make_pipe();
    ASSERT_EQ(::fcntl(in.get(), F_SETPIPE_SZ, 8192), 8192);
    remote.send(100000);
    std::size_t moved = 0;
    for (;;) {
        const auto n = ::splice(socket.get(), nullptr, in.get(), nullptr, 100000, SPLICE_F_NONBLOCK);
        if (n < 0) {
            ASSERT_EQ(errno, EAGAIN);
        }
        if (n <= 0)
            break;
        moved += static_cast<std::size_t>(n);
    }
    EXPECT_GT(moved, 0U);
    EXPECT_LE(moved, 8192U);
    std::vector<std::uint8_t> piped(moved);
    EXPECT_EQ(::read(out.get(), piped.data(), moved), static_cast<ssize_t>(moved));
    EXPECT_TRUE(piped == pattern_bytes(0, moved));
    expect_pattern(socket.get(), 100000 - moved, moved);
}

TEST_P(Splice, OfAnEmptySocketDoesNotWaitUnlessItMay) {
    const auto [out, in] = make_pipe();
    set_blocking(socket.get(), false);
    EXPECT_EQ(::splice(socket.get(), nullptr, in.get(), nullptr, 100, 0), -1);
    EXPECT_EQ(errno, EAGAIN);
}

IN_BOTH_ROLES(Splice);

} // namespace
} // namespace xvsock::guest
