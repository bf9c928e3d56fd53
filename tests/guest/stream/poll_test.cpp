// SPDX-License-Identifier: MIT
// Readiness: what poll() says in each state, and the edges of edge-triggered epoll.
#include "stream_test.hpp"

#include <array>
#include <random>
#include <thread>

#include <sys/epoll.h>

namespace xvsock::guest {
namespace {

constexpr short everything = POLLIN | POLLOUT | POLLRDHUP;

class Poll : public both_roles {};

TEST_P(Poll, SaysWhatCanBeDone) {
    EXPECT_EQ(poll_events(socket.get(), everything), POLLOUT);
    EXPECT_EQ(poll_events(socket.get(), POLLIN, 100), 0);
    remote.send(1);
    EXPECT_EQ(poll_events(socket.get(), POLLIN), POLLIN);
    EXPECT_EQ(poll_events(socket.get(), everything), POLLIN | POLLOUT);
    const auto sent = fill(socket.get());
    EXPECT_EQ(poll_events(socket.get(), everything), POLLIN);
    expect_pattern(socket.get(), 1);
    EXPECT_EQ(poll_events(socket.get(), everything, 100), 0);
    remote.expect(sent);
    EXPECT_EQ(poll_events(socket.get(), everything), POLLOUT);
}

TEST_P(Poll, AtThePeersHalfClose) {
    remote.send(10);
    remote.shut(SHUT_WR);
    EXPECT_EQ(poll_events(socket.get(), POLLRDHUP), POLLRDHUP);
    EXPECT_EQ(poll_events(socket.get(), everything), POLLIN | POLLOUT | POLLRDHUP);
    expect_pattern(socket.get(), 10);
    EXPECT_EQ(poll_events(socket.get(), everything), POLLIN | POLLOUT | POLLRDHUP) << "the end is to be read";
    ASSERT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
    EXPECT_EQ(poll_events(socket.get(), everything), POLLIN | POLLRDHUP | POLLHUP) << "both are through";
}

TEST_P(Poll, AtOurHalfClose) {
    ASSERT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
    EXPECT_EQ(poll_events(socket.get(), everything, 100), 0);
    EXPECT_EQ(remote.run(remote_op::poll, {.size = 5000, .number = POLLRDHUP}).result, POLLRDHUP);
    remote.send(10);
    EXPECT_EQ(poll_events(socket.get(), everything), POLLIN);
    ASSERT_EQ(::shutdown(socket.get(), SHUT_RD), 0);
    EXPECT_EQ(poll_events(socket.get(), everything), POLLIN | POLLRDHUP | POLLHUP);
}

TEST_P(Poll, AtThePeersClose) {
    remote.close();
    EXPECT_NE(poll_events(socket.get(), POLLRDHUP) & POLLRDHUP, 0);
    EXPECT_EQ(poll_events(socket.get(), everything), POLLIN | POLLOUT | POLLRDHUP);
    EXPECT_EQ(socket_error(socket.get()), 0);
}

TEST_P(Poll, WakesAtEachOfThem) {
    struct step {
        remote_op op;
        remote_arguments arguments;
        short events;
    };
    for (const auto& [op, arguments, events] : {step{remote_op::send, {.size = 1}, POLLIN},
                                                step{remote_op::shut, {.number = SHUT_WR}, POLLRDHUP}}) {
        std::jthread actor([&, op = op, arguments = arguments] {
            std::this_thread::sleep_for(50ms);
            remote.run(op, arguments);
        });
        EXPECT_TRUE(poll_for(socket.get(), events));
        actor.join();
    }
}

TEST_P(Poll, OfASocketThatIsNotConnected) {
    const auto unconnected = make_socket();
    EXPECT_EQ(poll_events(unconnected.get(), everything, 0), POLLOUT); // what the core says of any such
    char byte = 0;
    EXPECT_EQ(::recv(unconnected.get(), &byte, 1, 0), -1);
    EXPECT_EQ(errno, ENOTCONN);
    EXPECT_EQ(::send(unconnected.get(), &byte, 1, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, ENOTCONN);
}

IN_BOTH_ROLES(Poll);

class Edge : public both_roles {
protected:
    void SetUp() override { set_blocking(socket.get(), false); }

    void watch(std::uint32_t events) {
        epoll_event want{};
        want.events = events | EPOLLET;
        ASSERT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, socket.get(), &want), 0);
    }

    // The events of the next edge; 0 when there is none.
    std::uint32_t wait(int timeout_ms = 20000) {
        epoll_event event{};
        return ::epoll_wait(epoll.get(), &event, 1, timeout_ms) == 1 ? event.events : 0U;
    }

    const descriptor epoll{::epoll_create1(EPOLL_CLOEXEC)};
};

TEST_P(Edge, ComesWithEachArrival) {
    watch(EPOLLIN);
    EXPECT_EQ(wait(100), 0U);
    for (std::uint64_t i = 0; i < 20; ++i) {
        remote.send(10, 10 * i);
        EXPECT_EQ(wait(), EPOLLIN) << "in round " << i;
        expect_pattern(socket.get(), 10, 10 * i); // all of it: a full read, not a short one
        ASSERT_FALSE(HasFailure());
    }
}

TEST_P(Edge, ComesOnce) {
    watch(EPOLLIN);
    remote.send(10);
    EXPECT_EQ(wait(), EPOLLIN);
    EXPECT_EQ(wait(100), 0U) << "nothing new came";
    expect_pattern(socket.get(), 10);
}

// A user of edges may take a short read for the end of the data.
TEST_P(Edge, ComesAfterAShortRead) {
    watch(EPOLLIN);
    std::array<char, 256> buffer{};
    remote.begin(remote_op::echo);
    for (int round = 0; round < 500; ++round) {
        ASSERT_EQ(::send(socket.get(), "ping", 4, MSG_NOSIGNAL), 4);
        for (ssize_t got = 0; got < 4;) {
            ASSERT_NE(wait(), 0U) << "no edge in round " << round;
            const auto n = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
            if (n < 0) {
                ASSERT_EQ(errno, EAGAIN);
                continue;
            }
            ASSERT_GT(n, 0);
            got += n;
        }
    }
    ASSERT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
    EXPECT_EQ(remote.finish().result, 2000);
}

// Reads until EAGAIN, as the manual has it, in pieces that do not divide the ring.
TEST_P(Edge, CarriesAStream) {
    watch(EPOLLIN);
    constexpr std::size_t size = 2 << 20;
    remote.begin(remote_op::send, {.size = size});
    std::vector<std::uint8_t> buffer(3001);
    std::size_t at = 0;
    while (at < size) {
        ASSERT_NE(wait(), 0U) << "no edge after " << at;
        for (;;) {
            const auto got = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
            if (got < 0) {
                ASSERT_EQ(errno, EAGAIN);
                break;
            }
            const auto expected = pattern_bytes(at, static_cast<std::size_t>(got));
            ASSERT_TRUE(std::equal(expected.begin(), expected.end(), buffer.begin())) << "at " << at;
            at += static_cast<std::size_t>(got);
        }
    }
    EXPECT_EQ(remote.finish().result, static_cast<std::int64_t>(size));
}

TEST_P(Edge, ComesWithRoomForAWriter) {
    auto sent = fill(socket.get());
    watch(EPOLLOUT);
    EXPECT_EQ(wait(100), 0U);
    std::mt19937 random(1);
    std::size_t received = 0;
    for (int round = 0; round < 20; ++round) {
        // From half the ring on the writer is told; before that he need not be.
        const auto amount =
            std::uniform_int_distribution<std::size_t>(default_buffer / 2, default_buffer)(random);
        remote.expect(amount, received);
        received += amount;
        EXPECT_EQ(wait(), EPOLLOUT) << "in round " << round;
        for (;;) { // until EAGAIN
            const auto data = pattern_bytes(sent, 50000);
            const auto n = ::send(socket.get(), data.data(), data.size(), MSG_NOSIGNAL);
            if (n < 0) {
                ASSERT_EQ(errno, EAGAIN);
                break;
            }
            sent += static_cast<std::size_t>(n);
        }
        ASSERT_FALSE(HasFailure());
    }
    EXPECT_EQ(sent, received + default_buffer);
}

// One who sends by edges alone, from the first byte on and through the change to the large ring.
TEST_P(Edge, CarriesAStreamOut) {
    watch(EPOLLOUT);
    constexpr std::size_t size = 2 << 20;
    remote.begin(remote_op::receive, {.size = size});
    const auto data = pattern_bytes(0, size);
    for (std::size_t at = 0; at < size;) {
        ASSERT_NE(wait(), 0U) << "no edge after " << at;
        while (at < size) {
            const auto n = ::send(socket.get(), data.data() + at, size - at, MSG_NOSIGNAL);
            if (n < 0) {
                ASSERT_EQ(errno, EAGAIN);
                break;
            }
            at += static_cast<std::size_t>(n);
        }
    }
    const auto answer = remote.finish();
    EXPECT_EQ(answer.result, static_cast<std::int64_t>(size));
    EXPECT_EQ(answer.wrong, 0U);
}

TEST_P(Edge, ComesWithTheEnd) {
    watch(EPOLLIN | EPOLLRDHUP);
    EXPECT_EQ(wait(100), 0U);
    remote.shut(SHUT_WR);
    EXPECT_EQ(wait(), EPOLLIN | EPOLLRDHUP);
    EXPECT_EQ(wait(100), 0U);
    ASSERT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
    EXPECT_NE(wait() & EPOLLHUP, 0U);
}

TEST_P(Edge, ComesWithThePeersClose) {
    watch(EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    EXPECT_EQ(wait(), EPOLLOUT);
    remote.send(10);
    EXPECT_EQ(wait(), EPOLLIN | EPOLLOUT);
    remote.close();
    // epoll may say again what it has said.
    auto events = wait();
    while (events == (EPOLLIN | EPOLLOUT))
        events = wait();
    EXPECT_EQ(events, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    expect_pattern(socket.get(), 10);
    expect_end(socket.get());
}

// A writer that waits for an edge is told that nobody will make room.
TEST_P(Edge, ComesWithABrokenPipe) {
    fill(socket.get());
    watch(EPOLLOUT);
    EXPECT_EQ(wait(100), 0U);
    remote.close();
    EXPECT_NE(wait() & EPOLLOUT, 0U);
    EXPECT_EQ(::send(socket.get(), "x", 1, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, EPIPE);
}

TEST_P(Edge, OfAListener) {
    const auto listener = listen_anywhere();
    set_blocking(listener.get(), false);
    epoll_event want{};
    want.events = EPOLLIN | EPOLLET;
    ASSERT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, listener.get(), &want), 0);
    for (std::uint32_t i = 1; i <= 20; ++i) {
        EXPECT_EQ(remote.run(remote_op::connect, {.slot = i, .position = port_of(listener.get())}).result, 0);
        ASSERT_EQ(wait(), EPOLLIN) << "in round " << i;
        const descriptor accepted{::accept(listener.get(), nullptr, nullptr)};
        EXPECT_GE(accepted.get(), 0);
    }
}

IN_BOTH_ROLES(Edge);

} // namespace
} // namespace xvsock::guest
