// SPDX-License-Identifier: MIT
// What the stream tests share.
#pragma once

#include <chrono>
#include <vector>

#include <poll.h>

#include <gtest/gtest.h>

#include "remote_end.hpp"
#include "vsock_socket.hpp"

namespace xvsock::guest {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

extern std::uint32_t server_cid; // set by main()

inline constexpr std::uint64_t default_buffer = 256U << 10U;

// Whether the vsock core is at least of this version of Linux: what older ones lack is no fault of ours.
bool linux_is(unsigned major, unsigned minor);
std::uint32_t local_cid(); // 2 in dom0

// What connect() says without a peer link. Since Linux 7 a guest's core asks the transport for the CID before
// it takes it, and says ENODEV itself.
int no_link_error();

// try_connect() in a test of something else: io_uring leaves work to the thread that closes it, for which
// the core ends a connect(), and only that, with EINTR.
int connect_patiently(int fd, std::uint32_t port);
descriptor connect_to(std::uint32_t port);
descriptor listen_anywhere(int backlog = 16);
sockaddr_vm name_of(int fd);
sockaddr_vm peer_of(int fd);
std::uint32_t port_of(int fd);

void set_blocking(int fd, bool blocking);
// The events that came, of those asked for and POLLERR and POLLHUP; 0 after the time.
short poll_events(int fd, short events, int timeout_ms = 20000);
bool poll_for(int fd, short events, int timeout_ms = 20000);
int socket_error(int fd); // SO_ERROR

// 0, or the errno.
template <typename Value> int set_option(int fd, int level, int name, const Value& value) {
    return ::setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : errno;
}

template <typename Value> Value get_option(int fd, int level, int name) {
    Value value{};
    socklen_t size = sizeof value;
    EXPECT_EQ(::getsockopt(fd, level, name, &value, &size), 0) << std::strerror(errno);
    EXPECT_EQ(size, sizeof value);
    return value;
}

constexpr timeval to_timeval(std::chrono::milliseconds time) {
    return {.tv_sec = time.count() / 1000, .tv_usec = time.count() % 1000 * 1000};
}

// SO_VM_SOCKETS_BUFFER_SIZE, with MIN and MAX out of the way.
void set_buffer_size(int fd, std::uint64_t size);

std::vector<std::uint8_t> pattern_bytes(std::uint64_t from, std::size_t size);
void send_pattern(int fd, std::size_t size, std::uint64_t from = 0);
// Receives this much; it is the pattern from this position on.
void expect_pattern(int fd, std::size_t size, std::uint64_t from = 0);
void expect_end(int fd);

// Sends this much of the pattern without waiting, also for a larger ring, and then no more fits.
// Whoever waits for room after that waits for the peer alone. Returns `room`.
std::size_t fill(int fd, std::size_t room = default_buffer, std::uint64_t from = 0);

// Sends and receives at the same time, as an echo needs beyond the rings' size.
void expect_echo(int fd, std::size_t size, std::uint64_t seed);

// Waits until the other thread sleeps in the kernel, where it stays unless somebody wakes it.
void wait_until_asleep(pid_t thread);

// Either end of a connection may be the one under test: the initiator's and the acceptor's rings differ.
enum class role { initiator, acceptor };

struct pair_options {
    std::uint64_t our_buffer = 0; // BUFFER_SIZE before the connection; 0 for the default
    std::uint64_t their_buffer = 0;
};

// Connects a socket of ours, which is returned, with one at the remote end, in this slot.
descriptor make_pair(remote_end& remote, role ours, const pair_options& options = {}, std::uint32_t slot = 0);

class both_roles : public testing::TestWithParam<role> {
protected:
    remote_end remote;
    descriptor socket = make_pair(remote, GetParam());
};

#define IN_BOTH_ROLES(suite)                                                                                 \
    INSTANTIATE_TEST_SUITE_P(                                                                                \
        As, suite, testing::Values(xvsock::guest::role::initiator, xvsock::guest::role::acceptor),           \
        [](const auto& info) {                                                                               \
            return info.param == xvsock::guest::role::initiator ? "Initiator" : "Acceptor";                  \
        })

} // namespace xvsock::guest
