// SPDX-License-Identifier: MIT
// SO_VM_SOCKETS_BUFFER_SIZE with MIN and MAX: what the options say, the rings that follow from them,
// and the cap on what is in flight, which may change at any time.
#include "stream_test.hpp"

#include <algorithm>
#include <thread>

namespace xvsock::guest {
namespace {

constexpr std::uint64_t page = 4096; // the smallest limit that counts
constexpr std::uint64_t largest_ring = 1 << 20;

std::uint64_t size_of(int fd, int option = SO_VM_SOCKETS_BUFFER_SIZE) {
    return get_option<std::uint64_t>(fd, AF_VSOCK, option);
}

int set_size(int fd, std::uint64_t size, int option = SO_VM_SOCKETS_BUFFER_SIZE) {
    return set_option(fd, AF_VSOCK, option, size);
}

TEST(BufferSize, HasItsDefaults) {
    const auto socket = make_socket();
    EXPECT_EQ(size_of(socket.get()), default_buffer);
    EXPECT_EQ(size_of(socket.get(), SO_VM_SOCKETS_BUFFER_MIN_SIZE), 128U);
    EXPECT_EQ(size_of(socket.get(), SO_VM_SOCKETS_BUFFER_MAX_SIZE), default_buffer);
}

class BufferSizeOption : public both_roles {};

// The same before a connection and during one.
TEST_P(BufferSizeOption, StaysBetweenMinAndMax) {
    const auto unconnected = make_socket();
    for (const int fd : {unconnected.get(), socket.get()}) {
        ASSERT_EQ(set_size(fd, 100000), 0);
        EXPECT_EQ(size_of(fd), 100000U);
        ASSERT_EQ(set_size(fd, 1), 0);
        EXPECT_EQ(size_of(fd), 128U);
        ASSERT_EQ(set_size(fd, 1 << 30), 0);
        EXPECT_EQ(size_of(fd), default_buffer);
        ASSERT_EQ(set_size(fd, 50000, SO_VM_SOCKETS_BUFFER_MAX_SIZE), 0);
        EXPECT_EQ(size_of(fd), 50000U) << "MAX takes the size along";
        ASSERT_EQ(set_size(fd, 60000, SO_VM_SOCKETS_BUFFER_MIN_SIZE), 0);
        EXPECT_EQ(size_of(fd), 50000U) << "MAX wins over MIN";
        ASSERT_EQ(set_size(fd, 1 << 20, SO_VM_SOCKETS_BUFFER_MAX_SIZE), 0);
        EXPECT_EQ(size_of(fd), 60000U) << "and gives way to it when it may";
        EXPECT_EQ(size_of(fd, SO_VM_SOCKETS_BUFFER_MIN_SIZE), 60000U);
        EXPECT_EQ(size_of(fd, SO_VM_SOCKETS_BUFFER_MAX_SIZE), 1U << 20U);
        EXPECT_EQ(set_option(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, 1), EINVAL) << "too short a value";
    }
    send_pattern(socket.get(), 1000);
    remote.expect(1000);
    remote.send(1000);
    expect_pattern(socket.get(), 1000);
}

IN_BOTH_ROLES(BufferSizeOption);

TEST(BufferSize, IsInheritedByAcceptedSockets) {
    remote_end remote;
    const auto listener = listen_anywhere();
    set_buffer_size(listener.get(), 70000);
    remote.run(remote_op::connect, {.position = port_of(listener.get())});
    const descriptor socket{::accept(listener.get(), nullptr, nullptr)};
    EXPECT_EQ(size_of(socket.get()), 70000U);
    EXPECT_EQ(size_of(socket.get(), SO_VM_SOCKETS_BUFFER_MAX_SIZE), 70000U);
}

class RingSize : public testing::TestWithParam<std::tuple<role, std::uint64_t>> {};

// Buffers of a page or less still get rings of a page; the largest ring has 1 MiB.
TEST_P(RingSize, CarriesMoreThanItHolds) {
    const auto [ours, size] = GetParam();
    remote_end remote;
    const auto socket = make_pair(remote, ours, {.our_buffer = size});
    remote.begin(remote_op::echo);
    const auto amount = std::clamp<std::size_t>(32 * size, 128 << 10, 3 << 20);
    expect_echo(socket.get(), amount, size);
    ASSERT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
    EXPECT_EQ(remote.finish().result, static_cast<std::int64_t>(amount));
}

INSTANTIATE_TEST_SUITE_P(Bytes, RingSize,
                         testing::Combine(testing::Values(role::initiator, role::acceptor),
                                          testing::Values(1, 4096, 5000, 65536, 1 << 20, 8 << 20)),
                         [](const auto& info) {
                             return (std::get<0>(info.param) == role::initiator ? "Initiator" : "Acceptor") +
                                    std::to_string(std::get<1>(info.param));
                         });

class InFlight : public testing::TestWithParam<role> {
protected:
    remote_end remote;
};

// The receiver's size at connect is what a sender has unread with him, to the byte.
TEST_P(InFlight, IsWhatTheReceiverWouldHave) {
    for (const std::uint64_t theirs : {page, std::uint64_t{10000}, std::uint64_t{65536}, default_buffer}) {
        const auto socket = make_pair(remote, GetParam(), {.their_buffer = theirs});
        fill(socket.get(), theirs);
        remote.expect(theirs);
        send_pattern(socket.get(), 1000, theirs);
        remote.expect(1000, theirs);
    }
}

TEST_P(InFlight, ReachesTheLargestRing) {
    const auto socket =
        make_pair(remote, GetParam(), {.our_buffer = 8 * largest_ring, .their_buffer = 8 * largest_ring});
    const auto data = pattern_bytes(0, 2 * largest_ring);
    std::uint64_t sent = 0;
    for (;;) {
        const auto n =
            ::send(socket.get(), data.data() + sent, data.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
            sent += static_cast<std::uint64_t>(n);
        else if (sent >= largest_ring / 2 || !poll_for(socket.get(), POLLOUT))
            break;
    }
    // Pages of connections that are on their way out may have cost us half of it.
    EXPECT_GE(sent, largest_ring / 2);
    EXPECT_LE(sent, largest_ring);
    remote.expect(sent);
}

// The sender's own size bounds it too: vsock_test's "TX credit bounds".
TEST_P(InFlight, IsNoMoreThanTheSenderWouldHave) {
    for (const std::uint64_t ours : {page, std::uint64_t{10000}, std::uint64_t{65536}}) {
        const auto socket = make_pair(remote, GetParam(), {.our_buffer = ours});
        fill(socket.get(), ours);
        remote.expect(ours);
    }
}

TEST_P(InFlight, FollowsTheSendersSizeLater) {
    const auto socket = make_pair(remote, GetParam());
    fill(socket.get()); // the ring is large now
    remote.expect(default_buffer);
    set_buffer_size(socket.get(), 30000);
    fill(socket.get(), 30000, default_buffer);
    // More room is told to whoever waits for it.
    std::jthread raiser([&] {
        std::this_thread::sleep_for(100ms);
        set_buffer_size(socket.get(), 40000);
    });
    EXPECT_TRUE(poll_for(socket.get(), POLLOUT));
    raiser.join();
    fill(socket.get(), 10000, default_buffer + 30000);
    remote.expect(40000, default_buffer);
}

// Of what the sender had in flight nothing is lost, however little the receiver would now have.
TEST_P(InFlight, FollowsTheReceiversSizeLater) {
    const auto socket = make_pair(remote, GetParam());
    fill(socket.get());
    remote.run(remote_op::set_buffer, {.size = 10000});
    EXPECT_FALSE(poll_for(socket.get(), POLLOUT, 100));
    remote.expect(default_buffer - 5000);
    ASSERT_TRUE(poll_for(socket.get(), POLLOUT)) << "5000 of 10000";
    fill(socket.get(), 5000, default_buffer);
    // Raised while the sender waits: he is told.
    std::jthread raiser([&] {
        std::this_thread::sleep_for(100ms);
        remote.run(remote_op::set_buffer, {.size = 20000});
    });
    EXPECT_TRUE(poll_for(socket.get(), POLLOUT));
    raiser.join();
    fill(socket.get(), 10000, default_buffer + 5000);
    remote.expect(5000 + 15000, default_buffer - 5000);
}

// Before anything was sent, when rings are still small.
TEST_P(InFlight, FollowsTheReceiversSizeFromTheBeginning) {
    const auto socket = make_pair(remote, GetParam());
    remote.run(remote_op::set_buffer, {.size = 20000});
    fill(socket.get(), 20000);
    remote.expect(20000);
}

// A limit below the ring's half: the writer must be woken although the ring is never half full.
TEST_P(InFlight, StreamsUnderASmallLimit) {
    const auto socket = make_pair(remote, GetParam());
    fill(socket.get());
    remote.expect(default_buffer);
    remote.run(remote_op::set_buffer, {.size = 5000});
    constexpr std::size_t amount = 1 << 20;
    std::jthread sender([&] { send_pattern(socket.get(), amount); });
    remote.expect(amount);
    sender.join();
}

// The size changes all the time, and the stream does not care.
TEST_P(InFlight, ChangesUnderLoad) {
    const auto socket = make_pair(remote, GetParam());
    remote.begin(remote_op::send, {.size = 4 << 20});
    std::size_t at = 0;
    for (const std::uint64_t size :
         {default_buffer, page, std::uint64_t{50000}, std::uint64_t{1}, 2 * default_buffer,
          std::uint64_t{9999}, default_buffer, std::uint64_t{70000}}) {
        set_buffer_size(socket.get(), size);
        expect_pattern(socket.get(), 512 << 10, at);
        at += 512 << 10;
    }
    EXPECT_EQ(remote.finish().result, 4 << 20);
}

IN_BOTH_ROLES(InFlight);

} // namespace
} // namespace xvsock::guest
