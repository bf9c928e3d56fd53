// SPDX-License-Identifier: MIT
// The same sockets through io_uring.
#include "stream_test.hpp"

#include <array>

#include <liburing.h>

namespace xvsock::guest {
namespace {

// Tests connect before they make a ring: connect_patiently() says why.
class ring {
public:
    ring() { EXPECT_EQ(::io_uring_queue_init(64, &ring_, 0), 0); }
    ring(const ring&) = delete;
    ring& operator=(const ring&) = delete;
    ~ring() { ::io_uring_queue_exit(&ring_); }

    // Fills an entry by a function of liburing, and submits it under this name.
    template <typename Prepare, typename... Arguments>
    void begin(std::uint64_t name, Prepare prepare, Arguments... arguments) {
        auto* entry = ::io_uring_get_sqe(&ring_);
        ASSERT_NE(entry, nullptr);
        prepare(entry, arguments...);
        ::io_uring_sqe_set_data64(entry, name);
        ASSERT_EQ(::io_uring_submit(&ring_), 1);
    }

    struct completion {
        std::uint64_t name;
        int result;
    };

    // The next completion; the name is `nothing` when there is none in time.
    static constexpr std::uint64_t nothing = UINT64_MAX;
    completion finish(std::chrono::milliseconds time = 10s) {
        __kernel_timespec limit{.tv_sec = time.count() / 1000, .tv_nsec = time.count() % 1000 * 1000000};
        io_uring_cqe* entry = nullptr;
        if (::io_uring_wait_cqe_timeout(&ring_, &entry, &limit) != 0)
            return {.name = nothing, .result = 0};
        const completion result{.name = ::io_uring_cqe_get_data64(entry), .result = entry->res};
        ::io_uring_cqe_seen(&ring_, entry);
        return result;
    }

private:
    io_uring ring_{};
};

class Uring : public both_roles {
protected:
    ring uring;
};

TEST_P(Uring, ReceivesWhatIsThereAndWhatComes) {
    std::vector<std::uint8_t> got(1000);
    for (const bool early : {true, false}) {
        if (early)
            remote.send(1000);
        uring.begin(1, ::io_uring_prep_recv, socket.get(), got.data(), got.size(), MSG_WAITALL);
        if (!early) {
            EXPECT_EQ(uring.finish(100ms).name, ring::nothing);
            remote.send(1000);
        }
        const auto [name, result] = uring.finish();
        EXPECT_EQ(name, 1U);
        EXPECT_EQ(result, 1000);
        EXPECT_TRUE(got == pattern_bytes(0, 1000));
        std::fill(got.begin(), got.end(), 0);
    }
}

// Larger than any ring, with both directions under way at once on the same socket.
TEST_P(Uring, SendsAndReceivesAtOnce) {
    constexpr std::size_t size = 2 << 20;
    remote.begin(remote_op::echo);
    const auto data = pattern_bytes(0, size);
    std::vector<std::uint8_t> got(size);
    std::size_t sent = 0;
    std::size_t received = 0;
    const auto send = [&] {
        uring.begin(1, ::io_uring_prep_send, socket.get(), data.data() + sent, size - sent, MSG_NOSIGNAL);
    };
    const auto receive = [&] {
        uring.begin(2, ::io_uring_prep_recv, socket.get(), got.data() + received, size - received, 0);
    };
    send();
    receive();
    while (received < size) {
        const auto [name, result] = uring.finish();
        ASSERT_NE(name, ring::nothing) << sent << " sent, " << received << " received";
        ASSERT_GT(result, 0) << std::strerror(-result);
        if (name == 1) {
            sent += static_cast<std::size_t>(result);
            if (sent < size)
                send();
        } else {
            received += static_cast<std::size_t>(result);
            if (received < size)
                receive();
        }
    }
    EXPECT_EQ(sent, size);
    EXPECT_TRUE(got == data);
    ASSERT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
    EXPECT_EQ(remote.finish().result, static_cast<std::int64_t>(size));
}

TEST_P(Uring, SendsWhenThereIsRoom) {
    const auto sent = fill(socket.get());
    const auto data = pattern_bytes(sent, 1000);
    uring.begin(1, ::io_uring_prep_send, socket.get(), data.data(), data.size(), MSG_NOSIGNAL);
    EXPECT_EQ(uring.finish(100ms).name, ring::nothing);
    remote.expect(sent);
    EXPECT_EQ(uring.finish().result, 1000);
    remote.expect(1000, sent);
}

TEST_P(Uring, SeesTheEndOfInput) {
    char byte = 0;
    uring.begin(1, ::io_uring_prep_recv, socket.get(), &byte, 1, 0);
    remote.close();
    const auto [name, result] = uring.finish();
    EXPECT_EQ(name, 1U);
    EXPECT_EQ(result, 0);
    uring.begin(2, ::io_uring_prep_send, socket.get(), &byte, 1, MSG_NOSIGNAL);
    EXPECT_EQ(uring.finish().result, -EPIPE);
}

TEST_P(Uring, Polls) {
    uring.begin(1, ::io_uring_prep_poll_add, socket.get(), POLLIN);
    EXPECT_EQ(uring.finish(100ms).name, ring::nothing);
    remote.send(10);
    EXPECT_NE(uring.finish().result & POLLIN, 0);
    const auto sent = fill(socket.get());
    uring.begin(2, ::io_uring_prep_poll_add, socket.get(), POLLOUT);
    EXPECT_EQ(uring.finish(100ms).name, ring::nothing);
    remote.expect(sent);
    EXPECT_NE(uring.finish().result & POLLOUT, 0);
}

TEST_P(Uring, GivesUpAReceiveWithoutLoss) {
    std::vector<std::uint8_t> got(1000);
    uring.begin(1, ::io_uring_prep_recv, socket.get(), got.data(), got.size(), 0);
    EXPECT_EQ(uring.finish(50ms).name, ring::nothing);
    uring.begin(2, ::io_uring_prep_cancel64, std::uint64_t{1}, 0);
    int cancelled = 0;
    for (int i = 0; i < 2; ++i) {
        const auto [name, result] = uring.finish();
        cancelled += name == 1 && result == -ECANCELED;
        if (name == 2) {
            EXPECT_EQ(result, 0);
        }
    }
    EXPECT_EQ(cancelled, 1);
    remote.send(1000);
    expect_pattern(socket.get(), 1000);
}

IN_BOTH_ROLES(Uring);

TEST(UringConnect, Succeeds) {
    ring uring;
    const auto socket = make_socket();
    const auto to = address(server_cid, service::echo);
    uring.begin(1, ::io_uring_prep_connect, socket.get(), reinterpret_cast<const sockaddr*>(&to),
                static_cast<socklen_t>(sizeof to));
    EXPECT_EQ(uring.finish().result, 0);
    expect_echo(socket.get(), 1000, 1);
}

TEST(UringConnect, IsRefused) {
    ring uring;
    const auto socket = make_socket();
    const auto to = address(server_cid, service::nobody);
    uring.begin(1, ::io_uring_prep_connect, socket.get(), reinterpret_cast<const sockaddr*>(&to),
                static_cast<socklen_t>(sizeof to));
    EXPECT_EQ(uring.finish().result, -ECONNRESET);
}

TEST(UringAccept, TakesWhoComes) {
    ring uring;
    remote_end remote;
    const auto listener = listen_anywhere();
    sockaddr_vm peer{};
    socklen_t size = sizeof peer;
    // What another ring has left to this thread ends accept(), too, even one that does not wait.
    ring::completion done{};
    for (int i = 0; i < 10; ++i) {
        uring.begin(1, ::io_uring_prep_accept, listener.get(), reinterpret_cast<sockaddr*>(&peer), &size,
                    SOCK_CLOEXEC);
        done = uring.finish(100ms);
        if (done.name == ring::nothing || done.result != -EINTR)
            break;
    }
    EXPECT_EQ(done.name, ring::nothing) << done.result;
    EXPECT_EQ(remote.run(remote_op::connect, {.position = port_of(listener.get())}).result, 0);
    const descriptor socket{uring.finish().result};
    ASSERT_GE(socket.get(), 0);
    EXPECT_EQ(peer.svm_cid, server_cid);
    remote.send(1000);
    expect_pattern(socket.get(), 1000);
}

} // namespace
} // namespace xvsock::guest
