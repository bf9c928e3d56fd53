// SPDX-License-Identifier: MIT
// connect(): with and without waiting, what it fails with, and that a socket can try again after each
// failure.
#include "stream_test.hpp"

#include <thread>

namespace xvsock::guest {
namespace {

constexpr std::uint32_t no_domain = 31000; // a CID without a link

// A listener at the remote end whose socket is locked: connect() gets no answer meanwhile.
class silent_listener {
public:
    explicit silent_listener(remote_end& remote) : remote_(remote), port_(remote.listen()) {
        const auto locked = remote_.run(remote_op::lock, {.slot = remote_end::listener});
        EXPECT_EQ(locked.result, 0) << std::strerror(locked.error);
    }
    silent_listener(const silent_listener&) = delete;
    silent_listener& operator=(const silent_listener&) = delete;
    ~silent_listener() { speak(); }

    void speak() {
        if (silent_)
            remote_.run(remote_op::unlock);
        silent_ = false;
    }
    [[nodiscard]] std::uint32_t port() const { return port_; }

private:
    remote_end& remote_;
    std::uint32_t port_;
    bool silent_ = true;
};

void set_connect_timeout(int fd, std::chrono::milliseconds time) {
    ASSERT_EQ(set_option(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, to_timeval(time)), 0);
}

TEST(Connect, IsResetWhenNobodyListens) {
    auto socket = make_socket();
    EXPECT_EQ(try_connect(socket.get(), server_cid, service::nobody), ECONNRESET);
    EXPECT_EQ(socket_error(socket.get()), 0) << "connect() has said it already";
    EXPECT_EQ(try_connect(socket.get(), server_cid, service::echo), 0);
    expect_echo(socket.get(), 100, 1);
}

TEST(Connect, SaysThatThereIsNoLink) {
    auto socket = make_socket();
    EXPECT_EQ(try_connect(socket.get(), no_domain, service::echo), no_link_error());
}

TEST(Connect, ReachesOneDomainAfterNotReachingAnother) {
    auto socket = make_socket();
    EXPECT_EQ(try_connect(socket.get(), no_domain, service::echo), no_link_error());
    EXPECT_EQ(try_connect(socket.get(), server_cid, service::echo), 0);
    expect_echo(socket.get(), 100, 1);
}

TEST(Connect, OnlyOnce) {
    auto socket = connect_to(service::echo);
    EXPECT_EQ(try_connect(socket.get(), server_cid, service::echo), EISCONN);
    expect_echo(socket.get(), 100, 1);
    ASSERT_EQ(::shutdown(socket.get(), SHUT_RDWR), 0);
    EXPECT_EQ(try_connect(socket.get(), server_cid, service::echo), EINVAL);
}

TEST(NonBlockingConnect, SucceedsThroughPoll) {
    auto socket = make_socket(SOCK_NONBLOCK);
    ASSERT_EQ(try_connect(socket.get(), server_cid, service::echo), EINPROGRESS);
    ASSERT_EQ(poll_events(socket.get(), POLLOUT | POLLIN), POLLOUT);
    EXPECT_EQ(socket_error(socket.get()), 0);
    EXPECT_EQ(try_connect(socket.get(), server_cid, service::echo), EISCONN);
    set_blocking(socket.get(), true);
    expect_echo(socket.get(), 1000, 2);
}

TEST(NonBlockingConnect, IsRefusedThroughPoll) {
    auto socket = make_socket(SOCK_NONBLOCK);
    ASSERT_EQ(try_connect(socket.get(), server_cid, service::nobody), EINPROGRESS);
    // With POLLERR or, when the core looked for an error just before it came, without.
    EXPECT_TRUE(poll_for(socket.get(), POLLOUT));
    EXPECT_EQ(socket_error(socket.get()), ECONNRESET);
    EXPECT_EQ(socket_error(socket.get()), 0) << "SO_ERROR is told once";
    ASSERT_EQ(try_connect(socket.get(), server_cid, service::echo), EINPROGRESS);
    ASSERT_EQ(poll_events(socket.get(), POLLOUT), POLLOUT);
    EXPECT_EQ(socket_error(socket.get()), 0);
    set_blocking(socket.get(), true);
    expect_echo(socket.get(), 1000, 3);
}

TEST(NonBlockingConnect, SaysAtOnceThatThereIsNoLink) {
    auto socket = make_socket(SOCK_NONBLOCK);
    EXPECT_EQ(try_connect(socket.get(), no_domain, service::echo), no_link_error());
    EXPECT_EQ(socket_error(socket.get()), 0);
    ASSERT_EQ(try_connect(socket.get(), server_cid, service::echo), EINPROGRESS);
    ASSERT_EQ(poll_events(socket.get(), POLLOUT), POLLOUT);
}

TEST(NonBlockingConnect, IsPendingUntilItIsAnswered) {
    remote_end remote;
    silent_listener listener(remote);
    auto socket = make_socket(SOCK_NONBLOCK);
    set_connect_timeout(socket.get(), 30s);
    ASSERT_EQ(try_connect(socket.get(), server_cid, listener.port()), EINPROGRESS);
    EXPECT_EQ(try_connect(socket.get(), server_cid, listener.port()), EALREADY);
    EXPECT_EQ(poll_events(socket.get(), POLLOUT | POLLIN, 100), 0);
    EXPECT_EQ(socket_error(socket.get()), 0);
    EXPECT_EQ(::send(socket.get(), "x", 1, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, ENOTCONN);
    listener.speak();
    ASSERT_EQ(poll_events(socket.get(), POLLOUT), POLLOUT);
    remote.accept();
    send_pattern(socket.get(), 1000);
    remote.expect(1000);
}

// connect() that waits for one that did not.
TEST(NonBlockingConnect, CanBeWaitedForLater) {
    remote_end remote;
    silent_listener listener(remote);
    auto socket = make_socket(SOCK_NONBLOCK);
    set_connect_timeout(socket.get(), 30s);
    ASSERT_EQ(try_connect(socket.get(), server_cid, listener.port()), EINPROGRESS);
    set_blocking(socket.get(), true);
    std::jthread speaker([&] {
        std::this_thread::sleep_for(100ms);
        listener.speak();
    });
    EXPECT_EQ(try_connect(socket.get(), server_cid, listener.port()), 0);
    speaker.join();
    remote.accept();
    send_pattern(socket.get(), 1000);
    remote.expect(1000);
}

TEST(NonBlockingConnect, CanBeGivenUpAtOnce) {
    for (int i = 0; i < 100; ++i) {
        auto socket = make_socket(SOCK_NONBLOCK);
        ASSERT_EQ(try_connect(socket.get(), server_cid, service::echo), EINPROGRESS);
    }
    auto socket = connect_to(service::echo);
    expect_echo(socket.get(), 1000, 3);
}

TEST(ConnectTimeout, RoundTrip) {
    auto socket = make_socket();
    const auto get = [&] {
        return get_option<timeval>(socket.get(), AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT);
    };
    EXPECT_EQ(get().tv_sec, 2);
    set_connect_timeout(socket.get(), 1500ms);
    EXPECT_EQ(get().tv_sec, 1);
    EXPECT_EQ(get().tv_usec, 500000);
    EXPECT_EQ(set_option(socket.get(), AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, timeval{-1, 0}), ERANGE);
    EXPECT_EQ(set_option(socket.get(), AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, 1), EINVAL);
    set_connect_timeout(socket.get(), 0ms); // means the default
    EXPECT_EQ(get().tv_sec, 2);
}

TEST(ConnectTimeout, EndsAConnectThatWaits) {
    remote_end remote;
    silent_listener listener(remote);
    auto socket = make_socket();
    set_connect_timeout(socket.get(), 300ms);
    const auto before = steady::now();
    EXPECT_EQ(try_connect(socket.get(), server_cid, listener.port()), ETIMEDOUT);
    EXPECT_GE(steady::now() - before, 290ms);
    EXPECT_LT(steady::now() - before, 5s);
    EXPECT_EQ(socket_error(socket.get()), 0);
    // The same socket, another port; then the same port, which now answers.
    EXPECT_EQ(try_connect(socket.get(), server_cid, service::nobody), ECONNRESET);
    EXPECT_EQ(try_connect(socket.get(), server_cid, listener.port()), ETIMEDOUT);
    listener.speak();
    set_connect_timeout(socket.get(), 10s);
    ASSERT_EQ(try_connect(socket.get(), server_cid, listener.port()), 0);
    // Those that were given up may be in the backlog, and end at once; ours is the last.
    send_pattern(socket.get(), 1000);
    remote.accept();
    auto answer = remote.run(remote_op::receive, {.size = 1000});
    for (int i = 0; i < 2 && answer.result == 0; ++i) {
        remote.accept();
        answer = remote.run(remote_op::receive, {.size = 1000});
    }
    EXPECT_EQ(answer.result, 1000);
    EXPECT_EQ(answer.wrong, 0U);
}

TEST(ConnectTimeout, IsToldThroughPoll) {
    remote_end remote;
    silent_listener listener(remote);
    auto socket = make_socket(SOCK_NONBLOCK);
    set_connect_timeout(socket.get(), 300ms);
    const auto before = steady::now();
    ASSERT_EQ(try_connect(socket.get(), server_cid, listener.port()), EINPROGRESS);
    EXPECT_TRUE(poll_for(socket.get(), POLLOUT));
    EXPECT_GE(steady::now() - before, 290ms);
    EXPECT_EQ(socket_error(socket.get()), ETIMEDOUT);
    listener.speak();
    set_connect_timeout(socket.get(), 10s);
    ASSERT_EQ(try_connect(socket.get(), server_cid, service::echo), EINPROGRESS);
    ASSERT_EQ(poll_events(socket.get(), POLLOUT), POLLOUT);
    set_blocking(socket.get(), true);
    expect_echo(socket.get(), 1000, 4);
}

TEST(ConnectTimeout, DoesNotEndTheConnection) {
    auto socket = make_socket(SOCK_NONBLOCK);
    set_connect_timeout(socket.get(), 1s);
    ASSERT_EQ(try_connect(socket.get(), server_cid, service::echo), EINPROGRESS);
    ASSERT_EQ(poll_events(socket.get(), POLLOUT), POLLOUT);
    std::this_thread::sleep_for(1100ms);
    set_blocking(socket.get(), true);
    expect_echo(socket.get(), 1000, 5);
}

// A user may keep a socket locked for as long as he likes; that is nobody else's business.
TEST(SilentListener, HoldsUpNobodyElse) {
    remote_end remote;
    silent_listener listener(remote);
    std::vector<descriptor> waiting;
    for (int i = 0; i < 8; ++i) {
        waiting.push_back(make_socket(SOCK_NONBLOCK));
        set_connect_timeout(waiting.back().get(), 30s);
        ASSERT_EQ(try_connect(waiting.back().get(), server_cid, listener.port()), EINPROGRESS);
    }
    for (int i = 0; i < 20; ++i) {
        auto socket = connect_to(service::echo);
        expect_echo(socket.get(), 1000, 6);
    }
    listener.speak();
    for (const auto& socket : waiting)
        EXPECT_EQ(poll_events(socket.get(), POLLOUT), POLLOUT);
}

// The socket goes, and its request is still unanswered.
TEST(SilentListener, MayBeLeftBehind) {
    remote_end remote;
    silent_listener listener(remote);
    for (int i = 0; i < 8; ++i) {
        auto socket = make_socket(SOCK_NONBLOCK);
        ASSERT_EQ(try_connect(socket.get(), server_cid, listener.port()), EINPROGRESS);
    }
    auto socket = connect_to(service::echo);
    expect_echo(socket.get(), 1000, 7);
}

class Backlog : public testing::TestWithParam<int> {};

// Exactly one more than listen() says, as everywhere in Linux; each accept() makes room for one.
TEST_P(Backlog, HoldsWhatListenSaysAndRecovers) {
    const auto places = static_cast<std::size_t>(GetParam()) + 1;
    remote_end remote;
    const auto port = remote.listen(GetParam());
    std::vector<descriptor> waiting;
    for (std::size_t i = 0; i < places; ++i) {
        waiting.push_back(make_socket());
        ASSERT_EQ(try_connect(waiting.back().get(), server_cid, port), 0) << "at " << i;
        send_pattern(waiting.back().get(), 100, i); // before anybody has accepted
    }
    auto socket = make_socket();
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(try_connect(socket.get(), server_cid, port), ECONNRESET);
    remote.accept();
    remote.expect(100, 0);
    EXPECT_EQ(try_connect(socket.get(), server_cid, port), 0);
    send_pattern(socket.get(), 100, places);
    auto refused = make_socket();
    EXPECT_EQ(try_connect(refused.get(), server_cid, port), ECONNRESET);
    for (std::size_t i = 1; i <= places; ++i) {
        remote.accept();
        remote.expect(100, i);
    }
    EXPECT_EQ(try_connect(refused.get(), server_cid, port), 0);
}

INSTANTIATE_TEST_SUITE_P(Of, Backlog, testing::Values(0, 1, 7), testing::PrintToStringParamName());

TEST(BacklogEntry, MayCloseBeforeItIsAccepted) {
    remote_end remote;
    const auto port = remote.listen(1);
    for (std::uint64_t i = 0; i < 2; ++i) {
        auto socket = make_socket();
        ASSERT_EQ(try_connect(socket.get(), server_cid, port), 0);
        send_pattern(socket.get(), 1000, i);
    }
    for (std::uint64_t i = 0; i < 2; ++i) {
        remote.accept();
        remote.expect_rest(1000, i);
    }
}

TEST(BacklogEntry, EndsWithTheListener) {
    remote_end remote;
    const auto port = remote.listen(4);
    std::vector<descriptor> waiting;
    for (int i = 0; i < 4; ++i) {
        waiting.push_back(make_socket());
        ASSERT_EQ(try_connect(waiting.back().get(), server_cid, port), 0);
    }
    remote.close(remote_end::listener);
    for (const auto& socket : waiting) {
        EXPECT_TRUE(poll_for(socket.get(), POLLRDHUP));
        expect_end(socket.get());
    }
    auto late = make_socket();
    EXPECT_EQ(try_connect(late.get(), server_cid, port), ECONNRESET);
}

} // namespace
} // namespace xvsock::guest
