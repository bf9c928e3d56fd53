// SPDX-License-Identifier: MIT
// Signals during each call that waits: it ends with EINTR, or goes on where SA_RESTART may have it; and no
// byte is lost or comes twice.
#include "stream_test.hpp"

#include <atomic>
#include <csignal>
#include <thread>

#include <pthread.h>

namespace xvsock::guest {
namespace {

std::atomic<unsigned> signals_handled = 0;

// As long as it lives, the thread that made it gets a signal at such intervals.
class signals {
public:
    signals(int flags, std::chrono::microseconds interval) {
        signals_handled = 0;
        struct sigaction action {};
        action.sa_handler = [](int) { ++signals_handled; };
        action.sa_flags = flags;
        EXPECT_EQ(::sigaction(SIGUSR1, &action, nullptr), 0);
        sender_ = std::jthread([this, target = ::pthread_self(), interval] {
            while (!ended_) {
                std::this_thread::sleep_for(interval);
                ::pthread_kill(target, SIGUSR1);
            }
        });
    }
    signals(const signals&) = delete;
    signals& operator=(const signals&) = delete;
    ~signals() {
        ended_ = true;
        sender_.join();
    }

private:
    std::atomic<bool> ended_ = false;
    std::jthread sender_;
};

class Signal : public both_roles {
protected:
    // What a call that does not come to an end by itself does, until it is interrupted.
    template <typename Call> void expect_interrupted(int flags, Call call) {
        const signals often(flags, 20ms);
        EXPECT_EQ(call(), -1);
        EXPECT_EQ(errno, EINTR);
        EXPECT_GE(signals_handled, 1U);
    }

    // Has the remote end do something after a while, while `call` waits under signals.
    template <typename Call>
    void expect_restarted(remote_op op, const remote_arguments& arguments, Call call) {
        std::jthread actor([&] {
            std::this_thread::sleep_for(200ms);
            remote.run(op, arguments);
        });
        {
            const signals often(SA_RESTART, 20ms);
            call();
            EXPECT_GE(signals_handled, 2U);
        }
        actor.join();
    }
};

TEST_P(Signal, InterruptsRecv) {
    char byte = 0;
    expect_interrupted(0, [&] { return ::recv(socket.get(), &byte, 1, 0); });
    remote.send(1000);
    expect_pattern(socket.get(), 1000);
}

TEST_P(Signal, LetsRecvGoOn) {
    expect_restarted(remote_op::send, {.size = 1000}, [&] {
        std::vector<std::uint8_t> got(1000);
        EXPECT_EQ(::recv(socket.get(), got.data(), got.size(), MSG_WAITALL), 1000);
        EXPECT_TRUE(got == pattern_bytes(0, 1000));
    });
}

// A call with a time does not begin anew: signal(7).
TEST_P(Signal, InterruptsRecvWithATimeout) {
    ASSERT_EQ(set_option(socket.get(), SOL_SOCKET, SO_RCVTIMEO, to_timeval(30s)), 0);
    char byte = 0;
    expect_interrupted(SA_RESTART, [&] { return ::recv(socket.get(), &byte, 1, 0); });
}

TEST_P(Signal, EndsWaitAllWithWhatCame) {
    remote.send(1000);
    ASSERT_TRUE(poll_for(socket.get(), POLLIN));
    std::vector<std::uint8_t> got(5000);
    {
        const signals often(SA_RESTART, 20ms);
        EXPECT_EQ(::recv(socket.get(), got.data(), got.size(), MSG_WAITALL), 1000);
    }
    got.resize(1000);
    EXPECT_TRUE(got == pattern_bytes(0, 1000));
    remote.send(1000, 1000);
    expect_pattern(socket.get(), 1000, 1000);
}

TEST_P(Signal, InterruptsSend) {
    const auto sent = fill(socket.get());
    const auto data = pattern_bytes(sent, 1000);
    expect_interrupted(0, [&] { return ::send(socket.get(), data.data(), data.size(), MSG_NOSIGNAL); });
    remote.expect(sent);
    send_pattern(socket.get(), 1000, sent);
    remote.expect(1000, sent);
}

TEST_P(Signal, LetsSendGoOn) {
    const auto sent = fill(socket.get());
    const auto data = pattern_bytes(sent, 1000);
    expect_restarted(remote_op::receive, {.size = sent},
                     [&] { EXPECT_EQ(::send(socket.get(), data.data(), data.size(), MSG_NOSIGNAL), 1000); });
    remote.expect(1000, sent);
}

TEST_P(Signal, EndsSendWithWhatWent) {
    fill(socket.get());
    remote.expect(default_buffer);
    const auto data = pattern_bytes(default_buffer, 2 * default_buffer);
    {
        const signals often(SA_RESTART, 20ms);
        EXPECT_EQ(::send(socket.get(), data.data(), data.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(default_buffer));
    }
    remote.expect(default_buffer, default_buffer);
}

// poll() is never begun anew.
TEST_P(Signal, InterruptsPoll) {
    for (const int flags : {0, SA_RESTART})
        expect_interrupted(flags, [&] {
            pollfd entry{.fd = socket.get(), .events = POLLIN, .revents = 0};
            return ::poll(&entry, 1, 10000);
        });
    remote.send(1);
    EXPECT_TRUE(poll_for(socket.get(), POLLIN));
}

// A stream in both directions, under signals all the time.
TEST_P(Signal, CostsAStreamNoByte) {
    constexpr std::size_t size = 2 << 20;
    for (const int flags : {0, SA_RESTART}) {
        remote_end other;
        const auto stream = make_pair(other, GetParam());
        other.begin(remote_op::echo);
        std::jthread sender([&] {
            const signals often(flags, 300us);
            std::size_t at = 0;
            while (at < size) {
                const auto data = pattern_bytes(at, std::min<std::size_t>(30000, size - at));
                const auto n = ::send(stream.get(), data.data(), data.size(), MSG_NOSIGNAL);
                if (n < 0) {
                    ASSERT_EQ(errno, EINTR);
                    continue;
                }
                at += static_cast<std::size_t>(n);
            }
        });
        const signals often(flags, 400us); // here, too
        std::size_t at = 0;
        std::vector<std::uint8_t> got(size);
        while (at < size) {
            const auto n = ::recv(stream.get(), got.data() + at, size - at, MSG_WAITALL);
            if (n < 0) {
                ASSERT_EQ(errno, EINTR);
                continue;
            }
            ASSERT_GT(n, 0);
            at += static_cast<std::size_t>(n);
        }
        sender.join();
        EXPECT_TRUE(got == pattern_bytes(0, size));
        EXPECT_GT(signals_handled, 10U);
        ASSERT_EQ(::shutdown(stream.get(), SHUT_WR), 0);
        EXPECT_EQ(other.finish().result, static_cast<std::int64_t>(size));
    }
}

IN_BOTH_ROLES(Signal);

// connect() always has a time, so not even SA_RESTART has it go on; the socket can connect afterwards.
TEST(SignalAtConnect, InterruptsIt) {
    remote_end remote;
    const auto port = remote.listen();
    ASSERT_EQ(remote.run(remote_op::lock, {.slot = remote_end::listener}).result, 0);
    auto socket = make_socket();
    ASSERT_EQ(set_option(socket.get(), AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, to_timeval(30s)), 0);
    for (const int flags : {0, SA_RESTART}) {
        const signals often(flags, 50ms);
        EXPECT_EQ(try_connect(socket.get(), server_cid, port), EINTR);
    }
    EXPECT_EQ(remote.run(remote_op::unlock).result, 0);
    ASSERT_EQ(try_connect(socket.get(), server_cid, service::echo), 0);
    expect_echo(socket.get(), 1000, 1);
}

TEST(SignalAtConnect, ManyTimes) {
    int interrupted = 0;
    {
        const signals often(0, 5ms);
        for (int i = 0; i < 100; ++i) {
            auto socket = make_socket();
            int error = try_connect(socket.get(), server_cid, service::echo);
            for (int again = 0; error == EINTR && again < 1000; ++again) {
                ++interrupted;
                error = try_connect(socket.get(), server_cid, service::echo); // the same socket
            }
            EXPECT_EQ(error, 0) << std::strerror(error);
        }
    }
    RecordProperty("interrupted", interrupted);
    auto socket = connect_to(service::echo);
    expect_echo(socket.get(), 1000, 4);
}

TEST(SignalAtAccept, InterruptsIt) {
    const auto listener = listen_anywhere();
    const signals often(0, 20ms);
    EXPECT_EQ(::accept(listener.get(), nullptr, nullptr), -1);
    EXPECT_EQ(errno, EINTR);
}

TEST(SignalAtAccept, LetsItGoOn) {
    const auto listener = listen_anywhere();
    remote_end remote;
    std::jthread connector([&] {
        std::this_thread::sleep_for(200ms);
        EXPECT_EQ(remote.run(remote_op::connect, {.position = port_of(listener.get())}).result, 0);
    });
    {
        const signals often(SA_RESTART, 20ms);
        const descriptor socket{::accept(listener.get(), nullptr, nullptr)};
        EXPECT_GE(socket.get(), 0) << std::strerror(errno);
        EXPECT_GE(signals_handled, 2U);
    }
    connector.join();
}

} // namespace
} // namespace xvsock::guest
