// SPDX-License-Identifier: MIT
// Sending and receiving in every way, with every flag that TCP knows.
#include "run_test.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <thread>

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

namespace xvsock::guest {
namespace {

using RunMessage = Run;
XVSOCK_BOTH_WAYS(RunMessage);

/// A message of this text, to an address that TCP, being connected, ignores.
class message {
public:
    explicit message(std::string text) : text_(std::move(text)), part_{text_.data(), text_.size()} {
        header_.msg_name = &nowhere_;
        header_.msg_namelen = sizeof nowhere_;
        header_.msg_iov = &part_;
        header_.msg_iovlen = 1;
    }
    message(const message&) = delete;
    message& operator=(const message&) = delete;
    [[nodiscard]] msghdr* get() { return &header_; }

private:
    std::string text_;
    iovec part_;
    sockaddr_in nowhere_ = at("192.0.2.1", 9);
    msghdr header_{};
};

std::string received(const descriptor& socket, std::size_t size) {
    std::string got(size, '\0');
    got.resize(receive_all(socket.get(), got.data(), size));
    return got;
}

/// A file of that size, all of 'z', read from its beginning.
descriptor file_of(std::size_t size) {
    char name[] = "sent-XXXXXX";
    descriptor file(::mkstemp(name));
    ::unlink(name);
    const std::string content(size, 'z');
    EXPECT_EQ(::write(file.get(), content.data(), size), static_cast<ssize_t>(size));
    ::lseek(file.get(), 0, SEEK_SET);
    return file;
}

TEST_P(RunMessage, SentInEveryWay) {
    const auto socket = connected(GetParam(), run_echo);
    const auto nowhere = at("192.0.2.1", 9);
    EXPECT_EQ(::sendto(socket.get(), "ab", 2, 0, reinterpret_cast<const sockaddr*>(&nowhere), sizeof nowhere),
              2);
    EXPECT_EQ(::sendto(socket.get(), "cd", 2, 0, nullptr, 0), 2);
    message one("ef");
    EXPECT_EQ(::sendmsg(socket.get(), one.get(), 0), 2);
    message two("gh");
    message three("ijk");
    mmsghdr several[] = {{*two.get(), 99}, {*three.get(), 99}};
    EXPECT_EQ(::sendmmsg(socket.get(), several, 2, 0), 2);
    EXPECT_EQ(several[0].msg_len, 2U);
    EXPECT_EQ(several[1].msg_len, 3U);
    EXPECT_EQ(::sendmmsg(socket.get(), several, 0, 0), 0);
    EXPECT_EQ(::write(socket.get(), "lm", 2), 2);
    EXPECT_EQ(::send(socket.get(), "no", 2, MSG_MORE), 2);
    EXPECT_EQ(::send(socket.get(), "", 0, 0), 0);
    EXPECT_EQ(::send(socket.get(), "pq", 2, MSG_DONTWAIT | MSG_EOR), 2);
    iovec parts[] = {{const_cast<char*>("rs"), 2}, {const_cast<char*>("tu"), 2}};
    EXPECT_EQ(::writev(socket.get(), parts, 2), 4);
    EXPECT_EQ(received(socket, 21), "abcdefghijklmnopqrstu");
}

TEST_P(RunMessage, ReceivedInEveryWay) {
    const auto socket = connected(GetParam(), run_echo);
    ASSERT_TRUE(send_all(socket.get(), "abcdefghijklmnopqrst", 20));
    std::array<char, 20> all{};
    EXPECT_EQ(::recv(socket.get(), all.data(), 20, MSG_PEEK | MSG_WAITALL), 20);
    EXPECT_EQ(::recv(socket.get(), all.data(), 2, MSG_PEEK), 2);
    std::string got(2, '\0');
    EXPECT_EQ(::recv(socket.get(), got.data(), 2, 0), 2);
    EXPECT_EQ(got, "ab");
    sockaddr_in from{};
    socklen_t size = sizeof from;
    EXPECT_EQ(::recvfrom(socket.get(), got.data(), 2, 0, reinterpret_cast<sockaddr*>(&from), &size), 2);
    EXPECT_EQ(got, "cd");
    EXPECT_EQ(size, 0U); // TCP gives no address
    EXPECT_EQ(from.sin_family, 0);
    iovec part{got.data(), 2};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_name = &from;
    header.msg_namelen = sizeof from;
    EXPECT_EQ(::recvmsg(socket.get(), &header, 0), 2);
    EXPECT_EQ(got, "ef");
    EXPECT_EQ(header.msg_namelen, 0U);
    EXPECT_EQ(header.msg_flags, 0);
    mmsghdr several[2]{};
    char more[4]{};
    iovec places[] = {{more, 2}, {more + 2, 2}};
    for (int i = 0; i < 2; ++i) {
        several[i].msg_hdr.msg_iov = &places[i];
        several[i].msg_hdr.msg_iovlen = 1;
    }
    EXPECT_EQ(::recvmmsg(socket.get(), several, 2, 0, nullptr), 2);
    EXPECT_EQ(std::string(more, 4), "ghij");
    EXPECT_EQ(several[1].msg_len, 2U);
    EXPECT_EQ(::read(socket.get(), got.data(), 2), 2);
    EXPECT_EQ(got, "kl");
    EXPECT_EQ(::readv(socket.get(), places, 2), 4);
    EXPECT_EQ(std::string(more, 4), "mnop");
    // Counted, and not given.
    std::string kept = "--";
    EXPECT_EQ(::recv(socket.get(), kept.data(), 2, MSG_TRUNC), 2);
    EXPECT_EQ(::recvfrom(socket.get(), nullptr, 1, MSG_TRUNC, nullptr, nullptr), 1);
    EXPECT_EQ(kept, "--");
    EXPECT_EQ(received(socket, 1), "t");
}

TEST_P(RunMessage, NothingIsUrgentOrQueued) {
    const auto socket = connected(GetParam(), run_echo);
    ASSERT_EQ(::send(socket.get(), "abc", 3, 0), 3);
    ASSERT_EQ(polled(socket, POLLIN), POLLIN);
    char byte = 0;
    EXPECT_EQ(::recv(socket.get(), &byte, 1, MSG_OOB), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(::recv(socket.get(), &byte, 1, MSG_ERRQUEUE), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(::recvfrom(socket.get(), &byte, 1, MSG_OOB, nullptr, nullptr), -1);
    EXPECT_EQ(errno, EINVAL);
    iovec part{&byte, 1};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    EXPECT_EQ(::recvmsg(socket.get(), &header, MSG_ERRQUEUE), -1);
    EXPECT_EQ(errno, EAGAIN);
    mmsghdr several{header, 0};
    EXPECT_EQ(::recvmmsg(socket.get(), &several, 1, MSG_OOB, nullptr), -1);
    EXPECT_EQ(errno, EINVAL);
    int answer = 1;
    EXPECT_EQ(::ioctl(socket.get(), SIOCATMARK, &answer), 0);
    EXPECT_EQ(answer, 0);
    EXPECT_EQ(::sockatmark(socket.get()), 0);
    EXPECT_EQ(received(socket, 3), "abc");
}

TEST_P(RunMessage, WithoutWaiting) {
    const auto socket = connected(GetParam(), run_echo);
    char byte = 0;
    EXPECT_EQ(::recv(socket.get(), &byte, 1, MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, EAGAIN);
    ASSERT_EQ(::fcntl(socket.get(), F_SETFL, O_RDWR | O_NONBLOCK), 0);
    EXPECT_EQ(::read(socket.get(), &byte, 1), -1);
    EXPECT_EQ(errno, EAGAIN);
    iovec part{&byte, 1};
    EXPECT_EQ(::readv(socket.get(), &part, 1), -1);
    EXPECT_EQ(errno, EAGAIN);
}

TEST_P(RunMessage, OfFiles) {
    constexpr std::size_t size = 300'000;
    const auto socket = connected(GetParam(), run_echo);
    const auto file = file_of(size);
    using call = ssize_t (*)(int to, int from, off_t* offset, std::size_t count);
    const call calls[] = {[](int to, int from, off_t* offset, std::size_t count) {
                              return ::sendfile(to, from, offset, count);
                          },
                          [](int to, int from, off_t* offset, std::size_t count) {
                              return ::sendfile64(to, from, offset, count);
                          }};
    for (const auto& one : calls) {
        std::thread sender([&] {
            off_t offset = 0;
            while (offset < static_cast<off_t>(size) && one(socket.get(), file.get(), &offset, size) > 0)
                ;
        });
        EXPECT_EQ(received(socket, size), std::string(size, 'z'));
        sender.join();
        off_t offset = -1;
        EXPECT_EQ(one(socket.get(), file.get(), &offset, 1), -1);
        EXPECT_EQ(errno, EINVAL);
        EXPECT_EQ(one(socket.get(), -1, nullptr, 1), -1);
        EXPECT_EQ(errno, EBADF);
    }
}

TEST_P(RunMessage, ThroughAPipe) {
    const auto socket = connected(GetParam(), run_echo);
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const descriptor out(ends[0]);
    const descriptor in(ends[1]);
    ASSERT_EQ(::write(in.get(), "spliced", 7), 7);
    EXPECT_EQ(::splice(out.get(), nullptr, socket.get(), nullptr, 7, 0), 7);
    ASSERT_EQ(polled(socket, POLLIN), POLLIN);
    std::string got(7, '\0');
    for (ssize_t done = 0; done < 7;) {
        const auto moved = ::splice(socket.get(), nullptr, in.get(), nullptr, 7, 0);
        ASSERT_GT(moved, 0) << std::strerror(errno);
        ASSERT_EQ(::read(out.get(), got.data() + done, static_cast<std::size_t>(moved)), moved);
        done += moved;
    }
    EXPECT_EQ(got, "spliced");
    EXPECT_EQ(::splice(socket.get(), nullptr, socket.get(), nullptr, 7, 0), -1);
    EXPECT_EQ(errno, EINVAL);
}

std::atomic<int> pipe_signals;

/// Calls that send, with no flags.
using send_call = ssize_t (*)(int);
const send_call send_calls[] = {
    [](int fd) { return ::write(fd, "x", 1); },
    [](int fd) { return ::send(fd, "x", 1, 0); },
    [](int fd) {
        const auto nowhere = at("192.0.2.1", 9);
        return ::sendto(fd, "x", 1, 0, reinterpret_cast<const sockaddr*>(&nowhere), sizeof nowhere);
    },
    [](int fd) {
        iovec part{const_cast<char*>("x"), 1};
        return ::writev(fd, &part, 1);
    },
    [](int fd) {
        message one("x");
        return ::sendmsg(fd, one.get(), 0);
    },
    [](int fd) {
        message one("x");
        mmsghdr several{*one.get(), 0};
        return static_cast<ssize_t>(::sendmmsg(fd, &several, 1, 0));
    },
    [](int fd) {
        off_t offset = 0;
        return ::sendfile(fd, file_of(1).get(), &offset, 1);
    },
    [](int fd) {
        off_t offset = 0;
        return ::sendfile64(fd, file_of(1).get(), &offset, 1);
    },
    [](int fd) {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        const descriptor out(ends[0]);
        const descriptor in(ends[1]);
        EXPECT_EQ(::write(in.get(), "x", 1), 1);
        return ::splice(out.get(), nullptr, fd, nullptr, 1, 0);
    },
};

/// SIGPIPE is counted while this lives.
class counted_signals {
public:
    counted_signals() {
        struct sigaction counting {};
        counting.sa_handler = [](int) { ++pipe_signals; };
        ::sigaction(SIGPIPE, &counting, &before_);
    }
    counted_signals(const counted_signals&) = delete;
    counted_signals& operator=(const counted_signals&) = delete;
    ~counted_signals() { ::sigaction(SIGPIPE, &before_, nullptr); }

private:
    struct sigaction before_ {};
};

TEST_P(RunMessage, ToNobodyIsSignalled) {
    const counted_signals counted;
    for (std::size_t i = 0; i < std::size(send_calls); ++i) {
        const auto socket = connected(GetParam(), run_echo);
        ASSERT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
        pipe_signals = 0;
        EXPECT_EQ(send_calls[i](socket.get()), -1) << i;
        EXPECT_EQ(errno, EPIPE) << i;
        EXPECT_EQ(pipe_signals, 1) << i;
        EXPECT_EQ(::send(socket.get(), "x", 1, MSG_NOSIGNAL), -1);
        EXPECT_EQ(errno, EPIPE);
        message one("x");
        EXPECT_EQ(::sendmsg(socket.get(), one.get(), MSG_NOSIGNAL), -1);
        mmsghdr several{*one.get(), 0};
        EXPECT_EQ(::sendmmsg(socket.get(), &several, 1, MSG_NOSIGNAL), -1);
        EXPECT_EQ(::sendto(socket.get(), "x", 1, MSG_NOSIGNAL, nullptr, 0), -1);
        EXPECT_EQ(errno, EPIPE);
        EXPECT_EQ(pipe_signals, 1);
    }
}

/// Calls that receive.
using receive_call = ssize_t (*)(int);
const receive_call receive_calls[] = {
    [](int fd) {
        char byte = 0;
        return ::read(fd, &byte, 1);
    },
    [](int fd) {
        char byte = 0;
        iovec part{&byte, 1};
        return ::readv(fd, &part, 1);
    },
    [](int fd) {
        char byte = 0;
        return ::recv(fd, &byte, 1, 0);
    },
    [](int fd) {
        char byte = 0;
        return ::recvfrom(fd, &byte, 1, 0, nullptr, nullptr);
    },
    [](int fd) {
        message one("x");
        return ::recvmsg(fd, one.get(), 0);
    },
    [](int fd) {
        message one("x");
        mmsghdr several{*one.get(), 0};
        return static_cast<ssize_t>(::recvmmsg(fd, &several, 1, 0, nullptr));
    },
};

/// A listener, and what was refused.
TEST_P(RunMessage, OnWhatIsNotConnected) {
    const counted_signals counted;
    const auto listener = listening(5140);
    const auto refused = tcp_socket();
    ASSERT_EQ(connect_error(refused, at(address_of(GetParam()), run_nobody)), ECONNREFUSED);
    for (const auto* const one : {&listener, &refused}) {
        for (std::size_t i = 0; i < std::size(send_calls); ++i) {
            pipe_signals = 0;
            EXPECT_EQ(send_calls[i](one->get()), -1) << i;
            EXPECT_EQ(errno, EPIPE) << i;
            EXPECT_EQ(pipe_signals, 1) << i;
        }
        for (std::size_t i = 0; i < std::size(receive_calls); ++i) {
            EXPECT_EQ(receive_calls[i](one->get()), -1) << i;
            EXPECT_EQ(errno, ENOTCONN) << i;
        }
        EXPECT_EQ(name_by(::getpeername, *one).first, std::strerror(ENOTCONN));
    }
}

/// A program may learn from its first write what has become of its connect().
TEST_P(RunMessage, WhereNobodyListens) {
    const auto socket = tcp_socket(AF_INET, SOCK_NONBLOCK);
    ASSERT_EQ(connect_error(socket, at(address_of(GetParam()), run_nobody)), EINPROGRESS);
    ASSERT_NE(polled(socket, POLLOUT) & POLLOUT, 0);
    EXPECT_EQ(::send(socket.get(), "x", 1, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, ECONNREFUSED);
    EXPECT_EQ(::send(socket.get(), "x", 1, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, EPIPE);
}

/// Connecting and sending in one; whether TCP needs a second call depends on what it knows of the peer.
TEST_P(RunMessage, WithTheConnection) {
    const auto there = at(address_of(GetParam()), run_echo);
    const auto* const address = reinterpret_cast<const sockaddr*>(&there);
    auto socket = tcp_socket();
    EXPECT_EQ(::sendto(socket.get(), "fast", 4, MSG_FASTOPEN, address, sizeof there), 4);
    EXPECT_EQ(received(socket, 4), "fast");
    EXPECT_EQ(name_by(::getpeername, socket), std::pair(address_of(GetParam()), std::uint16_t{run_echo}));

    socket = tcp_socket();
    message one("open");
    one.get()->msg_name = const_cast<sockaddr_in*>(&there);
    EXPECT_EQ(::sendmsg(socket.get(), one.get(), MSG_FASTOPEN), 4);
    EXPECT_EQ(received(socket, 4), "open");
}

} // namespace
} // namespace xvsock::guest
