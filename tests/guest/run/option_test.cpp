// SPDX-License-Identifier: MIT
// Options: what was set is read again, before and after the connection, whatever of it AF_VSOCK has.
#include "run_test.hpp"

namespace xvsock::guest {
namespace {

using RunOption = Run;
XVSOCK_BOTH_WAYS(RunOption);

struct option_case {
    const char* text;
    int level;
    int name;
    int value;
};

#define XVSOCK_OPTION(level, name, value)                                                                    \
    { #name, level, name, value }

const option_case common_options[] = {
    XVSOCK_OPTION(SOL_SOCKET, SO_KEEPALIVE, 1),
    XVSOCK_OPTION(SOL_SOCKET, SO_REUSEADDR, 1),
    XVSOCK_OPTION(SOL_SOCKET, SO_REUSEPORT, 1),
    XVSOCK_OPTION(SOL_SOCKET, SO_OOBINLINE, 1),
    XVSOCK_OPTION(SOL_SOCKET, SO_BROADCAST, 1),
    XVSOCK_OPTION(SOL_SOCKET, SO_DONTROUTE, 0),
    XVSOCK_OPTION(SOL_SOCKET, SO_PRIORITY, 3),
    XVSOCK_OPTION(SOL_SOCKET, SO_MARK, 0),
    XVSOCK_OPTION(SOL_SOCKET, SO_RCVBUF, 20000),
    XVSOCK_OPTION(SOL_SOCKET, SO_SNDBUF, 30000),
    XVSOCK_OPTION(SOL_SOCKET, SO_RCVLOWAT, 1),
    XVSOCK_OPTION(SOL_SOCKET, SO_TIMESTAMP, 1),
    XVSOCK_OPTION(SOL_SOCKET, SO_RXQ_OVFL, 1),
    XVSOCK_OPTION(SOL_SOCKET, SO_NO_CHECK, 1),
    XVSOCK_OPTION(SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1),
    XVSOCK_OPTION(SOL_SOCKET, SO_MAX_PACING_RATE, 123'456'789),
    XVSOCK_OPTION(IPPROTO_TCP, TCP_NODELAY, 1),
    XVSOCK_OPTION(IPPROTO_TCP, TCP_CORK, 1),
    XVSOCK_OPTION(IPPROTO_TCP, TCP_CORK, 0),
    XVSOCK_OPTION(IPPROTO_TCP, TCP_KEEPIDLE, 77),
    XVSOCK_OPTION(IPPROTO_TCP, TCP_KEEPINTVL, 11),
    XVSOCK_OPTION(IPPROTO_TCP, TCP_KEEPCNT, 4),
    XVSOCK_OPTION(IPPROTO_TCP, TCP_SYNCNT, 3),
    XVSOCK_OPTION(IPPROTO_TCP, TCP_LINGER2, 9),
    XVSOCK_OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT, 12345),
    XVSOCK_OPTION(IPPROTO_TCP, TCP_NOTSENT_LOWAT, 4096),
    XVSOCK_OPTION(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1),
    XVSOCK_OPTION(IPPROTO_TCP, TCP_SAVE_SYN, 1),
    XVSOCK_OPTION(IPPROTO_TCP, TCP_INQ, 1),
    XVSOCK_OPTION(IPPROTO_IP, IP_TOS, 0x10),
    XVSOCK_OPTION(IPPROTO_IP, IP_TTL, 33),
    XVSOCK_OPTION(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO),
    XVSOCK_OPTION(IPPROTO_IP, IP_RECVERR, 1),
    XVSOCK_OPTION(IPPROTO_IP, IP_RECVTTL, 1),
    XVSOCK_OPTION(IPPROTO_IP, IP_FREEBIND, 1),
    XVSOCK_OPTION(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1),
    XVSOCK_OPTION(IPPROTO_IP, IP_MINTTL, 2),
};

const option_case ipv6_options[] = {
    XVSOCK_OPTION(IPPROTO_IPV6, IPV6_V6ONLY, 0),
    XVSOCK_OPTION(IPPROTO_IPV6, IPV6_TCLASS, 0x20),
    XVSOCK_OPTION(IPPROTO_IPV6, IPV6_UNICAST_HOPS, 33),
    XVSOCK_OPTION(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1),
    XVSOCK_OPTION(IPPROTO_IPV6, IPV6_RECVERR, 1),
    XVSOCK_OPTION(IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO),
};

template <typename Address> void must_keep(const option_case& one, int family, const Address& there) {
    const auto is = [&](const descriptor& socket, int value) {
        EXPECT_EQ(option<int>(socket, one.level, one.name), value) << one.text;
    };
    const auto before = tcp_socket(family);
    EXPECT_EQ(set(before, one.level, one.name, one.value), 0) << one.text;
    const int meant = option<int>(before, one.level, one.name); // a buffer's size is doubled
    ASSERT_EQ(connect_error(before, there), 0) << one.text;
    is(before, meant);
    must_echo(before.get());
    if (one.name == IPV6_V6ONLY && one.level == IPPROTO_IPV6)
        return; // only before
    const auto after = tcp_socket(family);
    ASSERT_EQ(connect_error(after, there), 0) << one.text;
    EXPECT_EQ(set(after, one.level, one.name, one.value), 0) << one.text;
    is(after, meant);
    must_echo(after.get());
}

TEST_P(RunOption, OfNumbers) {
    for (const auto& one : common_options)
        must_keep(one, AF_INET, at(address_of(GetParam()), run_echo));
}

TEST_P(RunOption, OfIpv6) {
    const auto there = at6("::ffff:" + address_of(GetParam()), run_echo);
    for (const auto& one : ipv6_options)
        must_keep(one, AF_INET6, there);
}

TEST_P(RunOption, OfOtherThings) {
    const auto socket = tcp_socket();
    const timeval limit{12, 0};
    const linger lingering{1, 7};
    const std::string algorithm = "reno";
    EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit), 0);
    EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &lingering, sizeof lingering), 0);
    EXPECT_EQ(::setsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, algorithm.data(),
                           static_cast<socklen_t>(algorithm.size())),
              0);
    ASSERT_EQ(connect_error(socket, at(address_of(GetParam()), run_echo)), 0);
    EXPECT_EQ(option<timeval>(socket, SOL_SOCKET, SO_RCVTIMEO).tv_sec, limit.tv_sec);
    EXPECT_EQ(option<timeval>(socket, SOL_SOCKET, SO_SNDTIMEO).tv_sec, limit.tv_sec);
    EXPECT_EQ(option<linger>(socket, SOL_SOCKET, SO_LINGER).l_linger, lingering.l_linger);
    char name[16] = "";
    socklen_t size = sizeof name;
    EXPECT_EQ(::getsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, name, &size), 0);
    EXPECT_EQ(name, algorithm);
    // A limit means what it says.
    const timeval short_limit{0, 200'000};
    EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &short_limit, sizeof short_limit), 0);
    char byte = 0;
    EXPECT_EQ(::recv(socket.get(), &byte, 1, 0), -1);
    EXPECT_EQ(errno, EAGAIN);
}

/// After a refusal by a peer the socket is one of TCP for somebody else, with what was set at either time.
TEST_P(RunOption, AreKeptFromOneAddressToTheNext) {
    const auto socket = tcp_socket();
    EXPECT_EQ(set(socket, SOL_SOCKET, SO_OOBINLINE, 1), 0);
    EXPECT_EQ(set(socket, IPPROTO_TCP, TCP_NODELAY, 1), 0);
    ASSERT_EQ(connect_error(socket, at(address_of(GetParam()), run_nobody)), ECONNREFUSED);
    EXPECT_EQ(set(socket, IPPROTO_IP, IP_TTL, 44), 0);
    ASSERT_EQ(connect_error(socket, at(address_of(path::tcp), run_echo)), 0);
    EXPECT_EQ(option<int>(socket, SOL_SOCKET, SO_OOBINLINE), 1);
    EXPECT_EQ(option<int>(socket, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(option<int>(socket, IPPROTO_IP, IP_TTL), 44);
    must_echo(socket.get());
}

} // namespace
} // namespace xvsock::guest
