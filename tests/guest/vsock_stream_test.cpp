// SPDX-License-Identifier: MIT
// Stream sockets as a client sees them; vsock-services runs in the domain with the CID given:
//   vsock-stream-test CID [--gtest_filter=…]
#include "vsock_socket.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <gtest/gtest.h>

using namespace xvsock::guest;
using namespace std::chrono_literals;

namespace {

std::uint32_t server_cid = 0; // set by main()

descriptor connect_to(std::uint32_t port) {
    auto result = make_socket();
    const int error = try_connect(result.get(), server_cid, port);
    EXPECT_EQ(error, 0) << std::strerror(error) << ", connecting to port " << port;
    return result;
}

void set_blocking(int fd, bool blocking) {
    ASSERT_EQ(::fcntl(fd, F_SETFL, blocking ? 0 : O_NONBLOCK), 0);
}

bool poll_for(int fd, short events, int timeout_ms = 5000) {
    pollfd entry{.fd = fd, .events = events, .revents = 0};
    return ::poll(&entry, 1, timeout_ms) == 1 && (entry.revents & events) != 0;
}

int socket_error(int fd) {
    int error = -1;
    socklen_t size = sizeof error;
    EXPECT_EQ(::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
    return error;
}

std::vector<std::uint8_t> pattern_bytes(std::uint64_t from, std::size_t size) {
    std::vector<std::uint8_t> result(size);
    for (std::size_t i = 0; i < size; ++i)
        result[i] = pattern(from + i);
    return result;
}

// Sends and receives at the same time, as an echo needs beyond the rings' size.
void expect_echo(int fd, std::size_t size, std::uint64_t seed) {
    const auto data = pattern_bytes(seed, size);
    std::thread sender([&] { EXPECT_TRUE(send_all(fd, data.data(), data.size())); });
    std::vector<std::uint8_t> back(size);
    EXPECT_EQ(receive_all(fd, back.data(), back.size()), size);
    sender.join();
    EXPECT_TRUE(back == data) << "the echo of " << size << " bytes differs";
}

TEST(Connect, GivesBothEndsTheirAddresses) {
    auto socket = connect_to(service::echo);
    sockaddr_vm local{};
    sockaddr_vm remote{};
    socklen_t size = sizeof local;
    ASSERT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&local), &size), 0);
    ASSERT_EQ(::getpeername(socket.get(), reinterpret_cast<sockaddr*>(&remote), &size), 0);
    EXPECT_EQ(remote.svm_cid, server_cid);
    EXPECT_EQ(remote.svm_port, static_cast<unsigned>(service::echo));
    EXPECT_NE(local.svm_port, VMADDR_PORT_ANY);
}

TEST(Connect, IsResetWhenNobodyListens) {
    auto socket = make_socket();
    EXPECT_EQ(try_connect(socket.get(), server_cid, service::nobody), ECONNRESET);
    // and the socket can be used again
    EXPECT_EQ(try_connect(socket.get(), server_cid, service::echo), 0);
    expect_echo(socket.get(), 100, 1);
}

TEST(Connect, SaysThatThereIsNoLink) {
    auto socket = make_socket();
    EXPECT_EQ(try_connect(socket.get(), 31000, service::echo), EHOSTUNREACH);
}

TEST(Connect, IsResetWhenTheBacklogIsFull) {
    std::vector<descriptor> waiting;
    int error = 0;
    for (int i = 0; i < 8 && error == 0; ++i) {
        waiting.push_back(make_socket());
        error = try_connect(waiting.back().get(), server_cid, service::no_accept);
    }
    EXPECT_EQ(error, ECONNRESET); // at the latest; other clients may have taken the places
}

TEST(Connect, NonBlockingSucceedsThroughPoll) {
    auto socket = make_socket(SOCK_NONBLOCK);
    ASSERT_EQ(try_connect(socket.get(), server_cid, service::echo), EINPROGRESS);
    ASSERT_TRUE(poll_for(socket.get(), POLLOUT));
    EXPECT_EQ(socket_error(socket.get()), 0);
    set_blocking(socket.get(), true);
    expect_echo(socket.get(), 1000, 2);
}

TEST(Connect, NonBlockingFailsThroughPoll) {
    auto socket = make_socket(SOCK_NONBLOCK);
    ASSERT_EQ(try_connect(socket.get(), server_cid, service::nobody), EINPROGRESS);
    ASSERT_TRUE(poll_for(socket.get(), POLLOUT | POLLERR));
    EXPECT_EQ(socket_error(socket.get()), ECONNRESET);
}

TEST(Connect, CanBeGivenUpAtOnce) {
    for (int i = 0; i < 100; ++i) {
        auto socket = make_socket(SOCK_NONBLOCK);
        ASSERT_EQ(try_connect(socket.get(), server_cid, service::echo), EINPROGRESS);
    }
    auto socket = connect_to(service::echo);
    expect_echo(socket.get(), 1000, 3);
}

TEST(Connect, SurvivesSignals) {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    ASSERT_EQ(::sigaction(SIGALRM, &action, nullptr), 0); // no SA_RESTART
    itimerval often{.it_interval = {0, 7000}, .it_value = {0, 7000}};
    ASSERT_EQ(::setitimer(ITIMER_REAL, &often, nullptr), 0);
    int interrupted = 0;
    for (int i = 0; i < 100; ++i) {
        auto socket = make_socket();
        const int error = try_connect(socket.get(), server_cid, service::echo);
        if (error == EINTR) {
            ++interrupted;
            continue;
        }
        EXPECT_EQ(error, 0) << std::strerror(error);
    }
    itimerval never{};
    ::setitimer(ITIMER_REAL, &never, nullptr);
    RecordProperty("interrupted", interrupted);
    auto socket = connect_to(service::echo);
    expect_echo(socket.get(), 1000, 4);
}

class Echo : public testing::TestWithParam<std::size_t> {};

TEST_P(Echo, ComesBackUnchanged) {
    auto socket = connect_to(service::echo);
    expect_echo(socket.get(), GetParam(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Sizes, Echo,
                         testing::Values(1, 2, 1023, 1024, 1025, 2049, 4095, 4096, 4097, 65536, 262143,
                                         262144, 262145, 1048577, 8 << 20));

class RingSize : public testing::TestWithParam<std::uint64_t> {};

// A buffer of one page or less still gets rings of a page; the largest ring is 1 MiB.
TEST_P(RingSize, CarriesMoreThanItHolds) {
    auto socket = make_socket();
    const auto size = GetParam();
    std::uint64_t smallest = 1;
    ASSERT_EQ(::setsockopt(socket.get(), AF_VSOCK, SO_VM_SOCKETS_BUFFER_MIN_SIZE, &smallest, sizeof smallest),
              0);
    const std::uint64_t largest = 16 << 20;
    ASSERT_EQ(::setsockopt(socket.get(), AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &largest, sizeof largest),
              0);
    ASSERT_EQ(::setsockopt(socket.get(), AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, sizeof size), 0);
    ASSERT_EQ(try_connect(socket.get(), server_cid, service::echo), 0);
    expect_echo(socket.get(), std::clamp<std::size_t>(32 * size, 128 << 10, 3 << 20), size);
}

INSTANTIATE_TEST_SUITE_P(Bytes, RingSize, testing::Values(1, 4096, 5000, 65536, 1 << 20, 8 << 20));

TEST(Stream, ManySmallWritesArriveInOrder) {
    auto socket = connect_to(service::count);
    std::uint64_t sum = 0;
    constexpr std::uint64_t writes = 10000;
    for (std::uint64_t i = 0; i < writes; ++i) {
        const auto byte = pattern(i);
        sum += byte;
        ASSERT_EQ(::send(socket.get(), &byte, 1, MSG_NOSIGNAL), 1);
    }
    ASSERT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
    std::array<std::uint64_t, 2> result{};
    ASSERT_EQ(receive_all(socket.get(), result.data(), sizeof result), sizeof result);
    EXPECT_EQ(result[0], writes);
    EXPECT_EQ(result[1], sum);
}

TEST(Stream, DataSurvivesTheSendersClose) {
    for (const std::uint64_t size : {1UL, 1000UL, 100000UL, 1UL << 20}) {
        auto socket = connect_to(service::source);
        ASSERT_TRUE(send_all(socket.get(), &size, sizeof size));
        std::this_thread::sleep_for(100ms); // by now the server has closed, or waits for room
        std::vector<std::uint8_t> got(size + 1);
        ASSERT_EQ(receive_all(socket.get(), got.data(), got.size()), size);
        got.pop_back();
        EXPECT_TRUE(got == pattern_bytes(0, size));
    }
}

TEST(Stream, HalfCloseLeavesTheOtherDirection) {
    auto socket = connect_to(service::count);
    const auto data = pattern_bytes(0, 300000);
    ASSERT_TRUE(send_all(socket.get(), data.data(), data.size()));
    ASSERT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
    EXPECT_EQ(::send(socket.get(), data.data(), 1, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, EPIPE);
    std::array<std::uint64_t, 2> result{};
    ASSERT_EQ(receive_all(socket.get(), result.data(), sizeof result), sizeof result);
    EXPECT_EQ(result[0], data.size());
    EXPECT_EQ(result[1], std::accumulate(data.begin(), data.end(), std::uint64_t{0}));
    char byte = 0;
    EXPECT_EQ(::recv(socket.get(), &byte, 1, 0), 0);
}

TEST(Stream, PeersCloseIsTheEndOfInputAndBreaksThePipe) {
    auto socket = connect_to(service::hang_up);
    char byte = 0;
    EXPECT_EQ(::recv(socket.get(), &byte, 1, 0), 0);
    ASSERT_TRUE(poll_for(socket.get(), POLLRDHUP));
    EXPECT_EQ(::send(socket.get(), &byte, 1, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, EPIPE);
}

TEST(Stream, PeekTakesNothing) {
    auto socket = connect_to(service::echo);
    const auto data = pattern_bytes(5, 5000);
    ASSERT_TRUE(send_all(socket.get(), data.data(), data.size()));
    std::vector<std::uint8_t> got(data.size());
    ASSERT_TRUE(poll_for(socket.get(), POLLIN));
    ASSERT_EQ(::recv(socket.get(), got.data(), 100, MSG_PEEK), 100);
    ASSERT_EQ(::recv(socket.get(), got.data(), got.size(), MSG_WAITALL), static_cast<ssize_t>(got.size()));
    EXPECT_TRUE(got == data);
}

TEST(Stream, WaitAllGoesBeyondTheRing) {
    auto socket = connect_to(service::source);
    const std::uint64_t size = 3 << 20;
    ASSERT_TRUE(send_all(socket.get(), &size, sizeof size));
    std::vector<std::uint8_t> got(size);
    ASSERT_EQ(::recv(socket.get(), got.data(), got.size(), MSG_WAITALL), static_cast<ssize_t>(size));
    EXPECT_TRUE(got == pattern_bytes(0, size));
}

TEST(Stream, BadPointerLosesNoByte) {
    auto socket = connect_to(service::echo);
    const auto data = pattern_bytes(9, 3000);
    ASSERT_TRUE(send_all(socket.get(), data.data(), data.size()));
    ASSERT_TRUE(poll_for(socket.get(), POLLIN));
    void* forbidden = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(forbidden, MAP_FAILED);
    EXPECT_EQ(::recv(socket.get(), forbidden, 4096, 0), -1);
    EXPECT_EQ(::send(socket.get(), forbidden, 4096, MSG_NOSIGNAL), -1);
    std::vector<std::uint8_t> got(data.size());
    ASSERT_EQ(receive_all(socket.get(), got.data(), got.size()), got.size());
    EXPECT_TRUE(got == data);
    ::munmap(forbidden, 4096);
}

TEST(Stream, FillsUpAndSaysSo) {
    auto socket = connect_to(service::no_read);
    set_blocking(socket.get(), false);
    const std::vector<char> block(65536);
    std::size_t total = 0;
    // A full ring may be replaced by a larger one, which poll() tells.
    do {
        const auto sent = ::send(socket.get(), block.data(), block.size(), MSG_NOSIGNAL);
        if (sent < 0)
            ASSERT_EQ(errno, EAGAIN);
        else
            total += static_cast<std::size_t>(sent);
        ASSERT_LE(total, 256U << 10U) << "nobody reads, and yet more fits than the buffer's size";
    } while (poll_for(socket.get(), POLLOUT, 200));
    EXPECT_EQ(total, 256U << 10U);
}

// A user of edge-triggered epoll may take a short read for the end of the data.
TEST(Epoll, EdgeComesAfterAShortRead) {
    auto socket = connect_to(service::echo);
    set_blocking(socket.get(), false);
    const descriptor epoll{::epoll_create1(EPOLL_CLOEXEC)};
    epoll_event want{};
    want.events = EPOLLIN | EPOLLET;
    ASSERT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, socket.get(), &want), 0);
    std::array<char, 256> buffer{};
    for (int round = 0; round < 500; ++round) {
        ASSERT_EQ(::send(socket.get(), "ping", 4, MSG_NOSIGNAL), 4);
        for (ssize_t got = 0; got < 4;) {
            epoll_event event{};
            ASSERT_EQ(::epoll_wait(epoll.get(), &event, 1, 5000), 1) << "no edge in round " << round;
            const auto n = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
            if (n < 0) {
                ASSERT_EQ(errno, EAGAIN);
                continue;
            }
            ASSERT_GT(n, 0);
            got += n;
        }
    }
}

TEST(Epoll, LowWaterMarkHoldsBackPoll) {
    auto socket = connect_to(service::echo);
    const int low_water = 128;
    ASSERT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_RCVLOWAT, &low_water, sizeof low_water), 0);
    const auto data = pattern_bytes(0, 128);
    ASSERT_TRUE(send_all(socket.get(), data.data(), 100));
    EXPECT_FALSE(poll_for(socket.get(), POLLIN, 300));
    ASSERT_TRUE(send_all(socket.get(), data.data() + 100, 28));
    EXPECT_TRUE(poll_for(socket.get(), POLLIN));
}

TEST(Many, ConnectionsMoveDataAtOnce) {
    rlimit files{.rlim_cur = 4096, .rlim_max = 4096};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
    constexpr std::size_t connections = 400;
    std::vector<descriptor> sockets;
    for (std::size_t i = 0; i < connections; ++i) {
        sockets.push_back(connect_to(service::echo));
        ASSERT_FALSE(testing::Test::HasFailure()) << "at connection " << i;
    }
    // Every connection has a message of its own on the way at the same time.
    constexpr std::size_t size = 900;
    for (std::size_t i = 0; i < connections; ++i) {
        const auto data = pattern_bytes(i * 7919, size);
        ASSERT_TRUE(send_all(sockets[i].get(), data.data(), data.size()));
    }
    for (std::size_t i = 0; i < connections; ++i) {
        std::vector<std::uint8_t> got(size);
        ASSERT_EQ(receive_all(sockets[i].get(), got.data(), size), size) << "connection " << i;
        EXPECT_TRUE(got == pattern_bytes(i * 7919, size)) << "connection " << i;
    }
}

TEST(Many, CyclesLeaveNothingBehind) {
    for (int i = 0; i < 200; ++i) {
        auto socket = connect_to(service::echo);
        ASSERT_TRUE(send_all(socket.get(), "x", 1));
        char byte = 0;
        ASSERT_EQ(receive_all(socket.get(), &byte, 1), 1U) << "in cycle " << i;
    }
}

} // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    if (argc != 2) {
        std::fprintf(stderr, "usage: vsock-stream-test CID [--gtest_…]\n");
        return 2;
    }
    server_cid = static_cast<std::uint32_t>(std::stoul(argv[1]));
    return RUN_ALL_TESTS();
}
