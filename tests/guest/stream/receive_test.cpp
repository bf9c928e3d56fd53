// SPDX-License-Identifier: MIT
// What the flags and options of a receiver promise: MSG_PEEK, MSG_WAITALL, MSG_DONTWAIT, SO_RCVLOWAT,
// SO_RCVTIMEO.
#include "stream_test.hpp"

#include <array>
#include <thread>

#include <sys/ioctl.h>

#include <linux/sockios.h>

namespace xvsock::guest {
namespace {

class Peek : public both_roles {};

TEST_P(Peek, TakesNothing) {
    remote.send(5000);
    ASSERT_TRUE(poll_for(socket.get(), POLLIN));
    std::array<std::uint8_t, 100> got{};
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(::recv(socket.get(), got.data(), got.size(), MSG_PEEK), 100);
        EXPECT_TRUE(std::equal(got.begin(), got.end(), pattern_bytes(0, 100).begin()));
    }
    expect_pattern(socket.get(), 5000);
    EXPECT_EQ(::recv(socket.get(), got.data(), got.size(), MSG_PEEK | MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, EAGAIN);
}

// Every look begins where the last recv() ended, also where the ring wraps, and where the small ring
// is left for a large one.
TEST_P(Peek, LooksBehindPartialReads) {
    constexpr std::size_t read_size = 777;
    constexpr std::size_t peek_size = 1500;
    constexpr std::size_t total = read_size * 1000; // thrice around the large ring
    remote.begin(remote_op::send, {.size = total});
    std::vector<std::uint8_t> peeked(peek_size);
    for (std::size_t at = 0; at < total; at += read_size) {
        const auto got = ::recv(socket.get(), peeked.data(), peek_size, MSG_PEEK);
        ASSERT_GT(got, 0);
        peeked.resize(static_cast<std::size_t>(got));
        ASSERT_TRUE(peeked == pattern_bytes(at, peeked.size())) << "at " << at;
        peeked.resize(peek_size);
        expect_pattern(socket.get(), read_size, at);
        ASSERT_FALSE(HasFailure()) << "at " << at;
    }
    EXPECT_EQ(remote.finish().result, static_cast<std::int64_t>(total));
}

// Whatever lies in the ring is seen, not only its first contiguous piece.
TEST_P(Peek, SeesAcrossTheWrap) {
    const auto held = fill(socket.get()); // the peer's ring; ours is of the same size
    remote.expect(held);
    remote.send(held - 100);
    expect_pattern(socket.get(), held - 100);
    remote.send(5000, held - 100); // the last 4900 of them come after the ring's end
    std::vector<std::uint8_t> peeked(5000);
    for (int i = 0; i < 2; ++i) {
        ASSERT_EQ(::recv(socket.get(), peeked.data(), peeked.size(), MSG_PEEK), 5000);
        EXPECT_TRUE(peeked == pattern_bytes(held - 100, 5000));
    }
    expect_pattern(socket.get(), 5000, held - 100);
}

TEST_P(Peek, WaitsForTheFirstByteAndSeesTheEnd) {
    char byte = 0;
    std::jthread sender([&] {
        std::this_thread::sleep_for(100ms);
        remote.send(1);
        remote.shut(SHUT_WR);
    });
    EXPECT_EQ(::recv(socket.get(), &byte, 1, MSG_PEEK), 1);
    sender.join();
    EXPECT_EQ(static_cast<std::uint8_t>(byte), pattern(0));
    expect_pattern(socket.get(), 1);
    EXPECT_EQ(::recv(socket.get(), &byte, 1, MSG_PEEK), 0);
}

IN_BOTH_ROLES(Peek);

class WaitAll : public testing::TestWithParam<std::tuple<role, std::size_t>> {};

// One call, whatever the ring's size, and although the bytes come in two parts.
TEST_P(WaitAll, TakesAnyLength) {
    const auto [ours, size] = GetParam();
    remote_end remote;
    const auto socket = make_pair(remote, ours);
    std::vector<std::uint8_t> got(size);
    std::jthread sender([&remote, size = size] {
        if (size > 1)
            remote.send(size / 2);
        std::this_thread::sleep_for(20ms);
        remote.send(size - size / 2, size / 2);
    });
    EXPECT_EQ(::recv(socket.get(), got.data(), size, MSG_WAITALL), static_cast<ssize_t>(size));
    sender.join();
    EXPECT_TRUE(got == pattern_bytes(0, size));
}

INSTANTIATE_TEST_SUITE_P(Sizes, WaitAll,
                         testing::Combine(testing::Values(role::initiator, role::acceptor),
                                          testing::Values(1, 2, 1024, 1025, 2048, 2049, 4097, 262144, 262145,
                                                          3 << 20)),
                         [](const auto& info) {
                             return (std::get<0>(info.param) == role::initiator ? "Initiator" : "Acceptor") +
                                    std::to_string(std::get<1>(info.param));
                         });

class Receive : public both_roles {};

TEST_P(Receive, WaitAllEndsAtTheEnd) {
    remote.send(3000);
    remote.shut(SHUT_WR);
    std::vector<std::uint8_t> got(10000);
    EXPECT_EQ(::recv(socket.get(), got.data(), got.size(), MSG_WAITALL), 3000);
    got.resize(3000);
    EXPECT_TRUE(got == pattern_bytes(0, 3000));
    expect_end(socket.get());
}

TEST_P(Receive, DontWaitTakesWhatIsThere) {
    std::vector<std::uint8_t> got(5000);
    EXPECT_EQ(::recv(socket.get(), got.data(), got.size(), MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, EAGAIN);
    remote.send(1500);
    EXPECT_EQ(::recv(socket.get(), got.data(), got.size(), MSG_DONTWAIT | MSG_WAITALL), 1500);
    got.resize(1500);
    EXPECT_TRUE(got == pattern_bytes(0, 1500));
    EXPECT_EQ(::recv(socket.get(), got.data(), got.size(), MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, EAGAIN);
    remote.shut(SHUT_WR);
    ASSERT_TRUE(poll_for(socket.get(), POLLRDHUP));
    EXPECT_EQ(::recv(socket.get(), got.data(), got.size(), MSG_DONTWAIT), 0);
}

TEST_P(Receive, TimeoutEndsTheWaitAndKeepsWhatCame) {
    ASSERT_EQ(set_option(socket.get(), SOL_SOCKET, SO_RCVTIMEO, to_timeval(200ms)), 0);
    std::vector<std::uint8_t> got(5000);
    const auto before = steady::now();
    EXPECT_EQ(::recv(socket.get(), got.data(), got.size(), 0), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_GE(steady::now() - before, 150ms); // jiffies may lag behind the clock
    remote.send(1000);
    EXPECT_EQ(::recv(socket.get(), got.data(), got.size(), MSG_WAITALL), 1000);
    got.resize(1000);
    EXPECT_TRUE(got == pattern_bytes(0, 1000));
    remote.send(1000, 1000);
    expect_pattern(socket.get(), 1000, 1000);
}

TEST_P(Receive, NothingIsReceivedWithoutAPlace) {
    remote.send(10);
    ASSERT_TRUE(poll_for(socket.get(), POLLIN));
    EXPECT_EQ(::recv(socket.get(), nullptr, 0, 0), 0);
    char byte = 0;
    EXPECT_EQ(::recv(socket.get(), &byte, 1, MSG_OOB), -1);
    EXPECT_EQ(errno, EOPNOTSUPP);
    expect_pattern(socket.get(), 10);
}

TEST_P(Receive, BytesToReadAreCounted) {
    remote.send(1234);
    ASSERT_TRUE(poll_for(socket.get(), POLLIN));
    int bytes = -1;
    const int error = ::ioctl(socket.get(), FIONREAD, &bytes) == 0 ? 0 : errno;
    if (!linux_is(7, 0)) {
        EXPECT_NE(error, 0); // the core of this kernel has no FIONREAD; it is there in 7.2, and not in 6.12
        GTEST_SKIP() << "this kernel's vsock core has no FIONREAD: " << std::strerror(error);
    }
    ASSERT_EQ(error, 0) << std::strerror(error);
    EXPECT_EQ(bytes, 1234);
}

// What is in the ring is the peer's to read, and so it is sent, whether it was read or not.
TEST_P(Receive, NothingStaysUnsent) {
    send_pattern(socket.get(), 1234);
    int bytes = -1;
    const int error = ::ioctl(socket.get(), SIOCOUTQ, &bytes) == 0 ? 0 : errno;
    if (!linux_is(6, 12)) {
        EXPECT_NE(error, 0); // neither has it this one
        GTEST_SKIP() << "this kernel's vsock core has no SIOCOUTQ: " << std::strerror(error);
    }
    ASSERT_EQ(error, 0) << std::strerror(error);
    EXPECT_EQ(bytes, 0);
}

IN_BOTH_ROLES(Receive);

class LowWater : public both_roles {
protected:
    void set(int bytes) { ASSERT_EQ(set_option(socket.get(), SOL_SOCKET, SO_RCVLOWAT, bytes), 0); }

    // poll() stays silent one byte below the mark, and speaks at it.
    void expect_poll_at(std::size_t mark) {
        remote.send(mark - 1);
        EXPECT_FALSE(poll_for(socket.get(), POLLIN, 200));
        remote.send(1, mark - 1);
        EXPECT_TRUE(poll_for(socket.get(), POLLIN));
        expect_pattern(socket.get(), mark);
    }
};

TEST_P(LowWater, HoldsBackPoll) {
    set(128);
    expect_poll_at(128);
    expect_poll_at(128);
}

TEST_P(LowWater, HoldsBackPollBeyondTheSmallRing) {
    set(100000);
    remote.send(1000);
    EXPECT_FALSE(poll_for(socket.get(), POLLIN, 200));
    remote.send(98999, 1000); // waits for the large ring
    EXPECT_FALSE(poll_for(socket.get(), POLLIN, 200));
    remote.send(1, 99999);
    EXPECT_TRUE(poll_for(socket.get(), POLLIN));
    expect_pattern(socket.get(), 100000);
}

// poll() was called before anything came, so only a wake-up can end it.
TEST_P(LowWater, WakesPollThatWaits) {
    set(50000);
    std::jthread sender([&] {
        std::this_thread::sleep_for(50ms);
        for (std::uint64_t at = 0; at < 50000; at += 10000)
            remote.send(10000, at);
    });
    EXPECT_TRUE(poll_for(socket.get(), POLLIN, 10000));
    sender.join();
    std::vector<std::uint8_t> got(60000);
    EXPECT_EQ(::recv(socket.get(), got.data(), got.size(), MSG_DONTWAIT), 50000);
}

TEST_P(LowWater, IsWhatABlockingReceiveWaitsFor) {
    set(3000);
    std::vector<std::uint8_t> got(5000);
    std::jthread sender([&] {
        for (std::uint64_t at = 0; at < 3000; at += 1000) {
            std::this_thread::sleep_for(50ms);
            remote.send(1000, at);
        }
    });
    EXPECT_EQ(::recv(socket.get(), got.data(), got.size(), 0), 3000);
    sender.join();
    // A request for less needs no more than that; MSG_DONTWAIT needs nothing.
    remote.send(100, 3000);
    EXPECT_EQ(::recv(socket.get(), got.data(), 50, 0), 50);
    EXPECT_EQ(::recv(socket.get(), got.data() + 50, 5000 - 50, MSG_DONTWAIT), 50);
    got.resize(100);
    EXPECT_TRUE(got == pattern_bytes(3000, 100));
}

TEST_P(LowWater, GivesWayToTheEnd) {
    set(1000);
    remote.send(10);
    EXPECT_FALSE(poll_for(socket.get(), POLLIN, 200));
    remote.shut(SHUT_WR);
    EXPECT_TRUE(poll_for(socket.get(), POLLIN));
    std::vector<std::uint8_t> got(5000);
    EXPECT_EQ(::recv(socket.get(), got.data(), got.size(), 0), 10);
}

TEST_P(LowWater, BoundedByTheBufferSize) {
    EXPECT_EQ(set_option(socket.get(), SOL_SOCKET, SO_RCVLOWAT, static_cast<int>(default_buffer) + 1),
              EINVAL);
    set(static_cast<int>(default_buffer));
    EXPECT_EQ(get_option<int>(socket.get(), SOL_SOCKET, SO_RCVLOWAT), static_cast<int>(default_buffer));
    expect_poll_at(default_buffer);
    set(0); // means 1
    expect_poll_at(1);
}

IN_BOTH_ROLES(LowWater);

class LowWaterBeyondTheRing : public testing::TestWithParam<role> {};

// A mark that no ring can reach: poll() speaks when the ring is full, and a blocking recv() takes what
// comes until it has that much.
TEST_P(LowWaterBeyondTheRing, IsReachedAllTheSame) {
    constexpr std::size_t mark = 3 << 20;
    remote_end remote;
    const auto socket = make_pair(remote, GetParam(), {.our_buffer = 8 << 20, .their_buffer = 8 << 20});
    ASSERT_EQ(set_option(socket.get(), SOL_SOCKET, SO_RCVLOWAT, static_cast<int>(mark)), 0);
    remote.begin(remote_op::send, {.size = 2 * mark});
    ASSERT_TRUE(poll_for(socket.get(), POLLIN, 10000));
    std::vector<std::uint8_t> got(2 * mark);
    const auto first = ::recv(socket.get(), got.data(), got.size(), 0);
    ASSERT_GE(first, static_cast<ssize_t>(mark));
    const auto rest = got.size() - static_cast<std::size_t>(first);
    EXPECT_EQ(::recv(socket.get(), got.data() + first, rest, MSG_WAITALL), static_cast<ssize_t>(rest));
    EXPECT_TRUE(got == pattern_bytes(0, got.size()));
    EXPECT_EQ(remote.finish().result, static_cast<std::int64_t>(got.size()));
}

IN_BOTH_ROLES(LowWaterBeyondTheRing);

} // namespace
} // namespace xvsock::guest
