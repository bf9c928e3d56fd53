// SPDX-License-Identifier: MIT
// The ways in which a connection ends: by halves, in order, and by the death of a process; and what stays
// readable.
#include "stream_test.hpp"

#include <array>
#include <csignal>
#include <numeric>
#include <thread>

namespace xvsock::guest {
namespace {

void expect_broken_pipe(int fd) {
    char byte = 0;
    EXPECT_EQ(::send(fd, &byte, 1, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, EPIPE);
}

class Ending : public both_roles {
protected:
    // The large ring is there, and has room for so much.
    void make_room(std::size_t bytes) {
        send_pattern(socket.get(), default_buffer - bytes);
        fill(socket.get(), bytes, default_buffer - bytes);
        remote.expect(default_buffer);
        send_pattern(socket.get(), default_buffer - bytes);
    }

    const std::vector<std::uint8_t> data = pattern_bytes(0, 10000);
};

class HalfClose : public Ending {};

TEST_P(HalfClose, OursFirst) {
    send_pattern(socket.get(), 200000);
    ASSERT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
    expect_broken_pipe(socket.get());
    remote.expect_rest(200000);
    remote.send(200000); // the other direction is as before
    remote.shut(SHUT_WR);
    expect_pattern(socket.get(), 200000);
    expect_end(socket.get());
}

TEST_P(HalfClose, TheirsFirst) {
    remote.send(200000);
    remote.shut(SHUT_WR);
    expect_pattern(socket.get(), 200000);
    expect_end(socket.get());
    send_pattern(socket.get(), 200000);
    ASSERT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
    remote.expect_rest(200000);
}

// With more on the way than any ring holds, in both directions.
TEST_P(HalfClose, BothWhileDataFlows) {
    constexpr std::size_t size = 1 << 20;
    std::jthread sender([&] {
        send_pattern(socket.get(), size);
        EXPECT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
    });
    remote.begin(remote_op::echo);
    std::vector<std::uint8_t> got(size + 1);
    EXPECT_EQ(receive_all(socket.get(), got.data(), size), size);
    sender.join();
    got.pop_back();
    EXPECT_TRUE(got == pattern_bytes(0, size));
    EXPECT_EQ(remote.finish().result, static_cast<std::int64_t>(size));
    remote.close();
    expect_end(socket.get());
}

TEST_P(HalfClose, OfReceivingBreaksTheSendersPipe) {
    remote.shut(SHUT_RD);
    ASSERT_TRUE(poll_for(socket.get(), POLLOUT)); // send() does not wait where it fails
    for (int i = 0; i < 100; ++i) {               // the news may take a moment
        const auto sent = ::send(socket.get(), "x", 1, MSG_NOSIGNAL);
        if (sent < 0)
            break;
        std::this_thread::sleep_for(10ms);
    }
    expect_broken_pipe(socket.get());
    remote.send(1000); // and the other direction is as before
    expect_pattern(socket.get(), 1000);
}

TEST_P(HalfClose, OfReceivingEndsASenderThatWaits) {
    make_room(1000);
    std::jthread reader([&] {
        std::this_thread::sleep_for(100ms);
        remote.shut(SHUT_RD);
    });
    EXPECT_EQ(::send(socket.get(), data.data(), data.size(), MSG_NOSIGNAL), 1000) << "what had room before";
    reader.join();
    expect_broken_pipe(socket.get());
}

TEST_P(HalfClose, OfOurReceivingEndsInputHere) {
    remote.send(1000);
    ASSERT_TRUE(poll_for(socket.get(), POLLIN));
    ASSERT_EQ(::shutdown(socket.get(), SHUT_RD), 0);
    expect_end(socket.get()); // also of what had come: the core does not look any more
    send_pattern(socket.get(), 1000);
    remote.expect(1000);
}

TEST_P(HalfClose, OfBothWakesWhoeverWaits) {
    fill(socket.get());
    std::jthread receiver([&] { expect_end(socket.get()); });
    std::jthread sender([&] { expect_broken_pipe(socket.get()); });
    std::this_thread::sleep_for(100ms);
    ASSERT_EQ(::shutdown(socket.get(), SHUT_RDWR), 0);
    receiver.join();
    sender.join();
    EXPECT_EQ(::shutdown(make_socket().get(), SHUT_RDWR), -1);
    EXPECT_EQ(errno, ENOTCONN);
    EXPECT_EQ(::shutdown(socket.get(), 3), -1);
    EXPECT_EQ(errno, EINVAL);
}

IN_BOTH_ROLES(HalfClose);

class Close : public Ending {};

TEST_P(Close, LeavesWhatWasSentReadable) {
    const auto sent = fill(socket.get());
    socket.close();
    remote.expect_rest(sent);
}

TEST_P(Close, OfThePeerLeavesWhatItSentReadable) {
    remote.send(100000);
    remote.close();
    std::this_thread::sleep_for(50ms);
    EXPECT_NE(poll_events(socket.get(), POLLIN | POLLRDHUP) & POLLRDHUP, 0);
    expect_pattern(socket.get(), 50000);
    expect_broken_pipe(socket.get()); // which costs no byte
    expect_pattern(socket.get(), 50000, 50000);
    expect_end(socket.get());
    EXPECT_EQ(socket_error(socket.get()), 0) << "an orderly end is no error";
}

// The reader left bytes unread; that is nothing to the peer.
TEST_P(Close, WithUnreadBytesIsOrderly) {
    remote.send(50000);
    send_pattern(socket.get(), 1000);
    ASSERT_TRUE(poll_for(socket.get(), POLLIN));
    socket.close();
    remote.expect_rest(1000);
}

TEST_P(Close, OfTheProcessLeavesWhatItSentReadable) {
    remote.send(100000);
    remote.die();
    expect_pattern(socket.get(), 100000);
    expect_end(socket.get());
    expect_broken_pipe(socket.get());
    EXPECT_EQ(socket_error(socket.get()), 0);
}

// Killed in the middle of a call: what it sent is a beginning of the stream, and whole.
TEST_P(Close, OfAProcessInTheMiddleOfSending) {
    remote.begin(remote_op::send, {.size = 64 << 20});
    expect_pattern(socket.get(), 300000);
    std::this_thread::sleep_for(50ms); // the ring is full again
    remote.die();
    std::vector<std::uint8_t> rest(1 << 20);
    const auto size = receive_all(socket.get(), rest.data(), rest.size());
    EXPECT_GE(size, default_buffer / 2); // above, the sender may still sleep
    rest.resize(size);
    EXPECT_TRUE(rest == pattern_bytes(300000, size));
    expect_end(socket.get());
}

// Bytes that nobody will read, and a writer that waits for somebody to.
TEST_P(Close, OfThePeerEndsASenderThatWaits) {
    make_room(1000);
    std::jthread closer([&] {
        std::this_thread::sleep_for(100ms);
        remote.close();
    });
    EXPECT_EQ(::send(socket.get(), data.data(), data.size(), MSG_NOSIGNAL), 1000);
    closer.join();
    expect_broken_pipe(socket.get());
}

TEST_P(Close, OfThePeerEndsAReceiverThatWaits) {
    std::jthread closer([&] {
        std::this_thread::sleep_for(100ms);
        remote.close();
    });
    expect_end(socket.get());
    closer.join();
}

IN_BOTH_ROLES(Close);

class Linger : public testing::TestWithParam<std::tuple<role, int>> {};

// close() need not wait for the peer to read, for what was sent is in the peer's reach; and no time,
// not even 0, makes it throw bytes away.
TEST_P(Linger, LosesNothingAndWaitsForNothing) {
    const auto [ours, seconds] = GetParam();
    remote_end remote;
    auto socket = make_pair(remote, ours);
    const linger value{.l_onoff = seconds >= 0, .l_linger = std::max(seconds, 0)};
    ASSERT_EQ(set_option(socket.get(), SOL_SOCKET, SO_LINGER, value), 0);
    const auto back = get_option<linger>(socket.get(), SOL_SOCKET, SO_LINGER);
    EXPECT_EQ(back.l_onoff, value.l_onoff);
    EXPECT_EQ(back.l_linger, value.l_linger);
    const auto sent = fill(socket.get());
    remote.send(1000); // and bytes that we do not read
    const auto before = steady::now();
    socket.close();
    EXPECT_LT(steady::now() - before, 1s);
    remote.expect_rest(sent);
}

// Likewise for the peer's.
TEST_P(Linger, OfThePeer) {
    const auto [ours, seconds] = GetParam();
    remote_end remote;
    const auto socket = make_pair(remote, ours);
    if (seconds >= 0) {
        EXPECT_EQ(remote.run(remote_op::linger, {.number = seconds}).result, 0);
    }
    remote.send(default_buffer);
    remote.close();
    expect_pattern(socket.get(), default_buffer);
    expect_end(socket.get());
}

INSTANTIATE_TEST_SUITE_P(
    Seconds, Linger,
    testing::Combine(testing::Values(role::initiator, role::acceptor), testing::Values(-1, 0, 5)),
    [](const auto& info) {
        return std::string(std::get<0>(info.param) == role::initiator ? "Initiator" : "Acceptor") +
               (std::get<1>(info.param) < 0 ? "Off" : std::to_string(std::get<1>(info.param)));
    });

volatile std::sig_atomic_t pipes_broken = 0;

class BrokenPipe : public both_roles {
protected:
    void SetUp() override {
        pipes_broken = 0;
        struct sigaction action {};
        action.sa_handler = [](int) { pipes_broken = pipes_broken + 1; };
        ASSERT_EQ(::sigaction(SIGPIPE, &action, nullptr), 0);
        remote.close();
        ASSERT_TRUE(poll_for(socket.get(), POLLRDHUP));
    }
    void TearDown() override { ::signal(SIGPIPE, SIG_DFL); }
};

TEST_P(BrokenPipe, IsSilentWhenAskedTo) {
    expect_broken_pipe(socket.get());
    EXPECT_EQ(pipes_broken, 0);
}

TEST_P(BrokenPipe, RaisesTheSignal) {
    EXPECT_EQ(::send(socket.get(), "x", 1, 0), -1);
    EXPECT_EQ(errno, EPIPE);
    if (!linux_is(6, 12)) {
        EXPECT_EQ(pipes_broken, 0); // it came with sk_stream_error() in the core, which is in 6.12
        GTEST_SKIP() << "this kernel's vsock core raises no SIGPIPE";
    }
    EXPECT_EQ(pipes_broken, 1);
}

IN_BOTH_ROLES(BrokenPipe);

} // namespace
} // namespace xvsock::guest
