// SPDX-License-Identifier: MIT
// Listeners that share a port, are closed for some, or have no descriptors left; and this domain's own
// address.
#include "run_test.hpp"

#include <thread>

#include <fcntl.h>
#include <sys/resource.h>

namespace xvsock::guest {
namespace {

using RunSeveral = Run;
XVSOCK_BOTH_WAYS(RunSeveral);

/// One with SO_REUSEPORT, which does not block.
descriptor reusing(std::uint16_t port) {
    auto socket = tcp_socket(AF_INET, SOCK_NONBLOCK);
    EXPECT_EQ(set(socket, SOL_SOCKET, SO_REUSEPORT, 1), 0);
    EXPECT_EQ(bind_error(socket, at("0.0.0.0", port)), 0);
    EXPECT_EQ(::listen(socket.get(), 8), 0);
    return socket;
}

descriptor listening6(std::uint16_t port) {
    auto socket = tcp_socket(AF_INET6, SOCK_NONBLOCK);
    EXPECT_EQ(set(socket, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0);
    EXPECT_EQ(bind_error(socket, at6("::", port)), 0);
    EXPECT_EQ(::listen(socket.get(), 8), 0);
    return socket;
}

/// Whoever of the two has a connection.
descriptor accepted_by(const descriptor& one, const descriptor& other) {
    pollfd ready[] = {{one.get(), POLLIN, 0}, {other.get(), POLLIN, 0}};
    EXPECT_GE(::poll(ready, 2, 10000), 1);
    for (const auto& each : ready)
        if (each.revents != 0) {
            descriptor socket(::accept(each.fd, nullptr, nullptr));
            if (socket.get() >= 0) {
                EXPECT_EQ(::fcntl(socket.get(), F_SETFL, 0), 0);
                return socket;
            }
            EXPECT_EQ(errno, EAGAIN);
        }
    return {};
}

TEST_P(RunSeveral, ReuseAPort) {
    auto first = reusing(5160);
    const auto second = reusing(5160);
    for (int i = 0; i < 6; ++i) {
        be_visited(GetParam(), 5160);
        must_be_hello(accepted_by(first, second));
    }
    first.close();
    for (int i = 0; i < 3; ++i) {
        be_visited(GetParam(), 5160);
        must_be_hello(accepted_by(second, second));
    }
}

/// As the workers of a server.
TEST_P(RunSeveral, InSeveralProcessesReuseAPort) {
    auto ours = reusing(5161);
    const pid_t child = ::fork();
    if (child == 0) {
        ours.close();
        const auto theirs = reusing(5161);
        ::_exit(testing::Test::HasFailure() ? 1 : 0);
    }
    EXPECT_EQ(wait_for(child), 0);
    be_visited(GetParam(), 5161);
    must_be_hello(accepted_by(ours, ours));
}

TEST_P(RunSeveral, WithoutReuseThereIsOne) {
    const auto listener = listening(5162);
    const auto other = tcp_socket();
    EXPECT_EQ(bind_error(other, at("0.0.0.0", 5162)), EADDRINUSE);
    be_visited(GetParam(), 5162);
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
}

/// In whatever order they begin, who comes by IPv4 is called by an address of IPv4.
TEST_P(RunSeveral, OfIpv4AndIpv6) {
    for (const bool four_first : {true, false}) {
        const auto port = static_cast<std::uint16_t>(four_first ? 5163 : 5173);
        auto first = four_first ? reusing(port) : listening6(port);
        auto second = four_first ? listening6(port) : reusing(port);
        const auto& four = four_first ? first : second;
        const auto& six = four_first ? second : first;
        EXPECT_EQ(option<int>(six, IPPROTO_IPV6, IPV6_V6ONLY), 1);
        for (int i = 0; i < 3; ++i) {
            be_visited(GetParam(), port);
            const auto socket = accepted_by(four, six);
            must_be_hello(socket);
            EXPECT_EQ(name_by(::getpeername, socket).first, address_of(GetParam()));
        }
    }
}

TEST_P(RunSeveral, ListenAgain) {
    const auto listener = listening(5164);
    EXPECT_EQ(::listen(listener.get(), 1), 0);
    EXPECT_EQ(::listen(listener.get(), 64), 0);
    for (int i = 0; i < 4; ++i)
        be_visited(GetParam(), 5164);
    for (int i = 0; i < 4; ++i)
        must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
}

TEST_P(RunSeveral, ShutdownEndsListening) {
    const auto listener = listening(5165);
    be_visited(GetParam(), 5165);
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
    EXPECT_EQ(::shutdown(listener.get(), SHUT_WR), 0); // which means nothing
    be_visited(GetParam(), 5165);
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
    // Who waits is told.
    int error = 0;
    std::thread waiting([&] { error = ::accept(listener.get(), nullptr, nullptr) < 0 ? errno : 0; });
    std::this_thread::sleep_for(300ms);
    EXPECT_EQ(::shutdown(listener.get(), SHUT_RDWR), 0);
    waiting.join();
    EXPECT_EQ(error, EINVAL);
    EXPECT_EQ(::accept(listener.get(), nullptr, nullptr), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(option<int>(listener, SOL_SOCKET, SO_ACCEPTCONN), 0);
    const auto socket = connected(GetParam(), run_visit);
    ASSERT_TRUE(send_all(socket.get(), "5165\n", 5));
    EXPECT_EQ(receive_line(socket.get()), "Connection refused");
    // It may be used again.
    ASSERT_EQ(::listen(listener.get(), 8), 0);
    be_visited(GetParam(), 5165);
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
}

TEST_P(RunSeveral, WithoutDescriptorsLeftNobodyIsLost) {
    const auto listener = listening(5166);
    be_visited(GetParam(), 5166);
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const descriptor next(::dup(listener.get())); // the first one that is free
    const rlimit none{static_cast<rlim_t>(next.get()), before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    EXPECT_EQ(::accept(listener.get(), nullptr, nullptr), -1);
    EXPECT_EQ(errno, EMFILE);
    EXPECT_EQ(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK), -1);
    EXPECT_EQ(errno, EMFILE);
    EXPECT_EQ(::socket(AF_INET, SOCK_STREAM, 0), -1);
    EXPECT_EQ(errno, EMFILE);
    EXPECT_EQ(::dup(listener.get()), -1);
    EXPECT_EQ(errno, EMFILE);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
}

TEST_P(RunSeveral, OptionsOfTheListenerAreItsConnections) {
    const auto listener = listening(5167);
    EXPECT_EQ(set(listener, IPPROTO_TCP, TCP_NODELAY, 1), 0);
    EXPECT_EQ(set(listener, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
    EXPECT_EQ(set(listener, IPPROTO_IP, IP_TOS, 0x10), 0);
    be_visited(GetParam(), 5167);
    const descriptor socket(::accept(listener.get(), nullptr, nullptr));
    EXPECT_EQ(option<int>(socket, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(option<int>(socket, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(option<int>(socket, IPPROTO_IP, IP_TOS), 0x10);
    must_be_hello(socket);
}

/// Its own: that of the network, and that by which peers know it.
TEST_P(RunSeveral, ReachTheOwnDomain) {
    const auto listener = listening(5168);
    const auto here = address_of(GetParam(), "g2");
    const auto socket = tcp_socket();
    ASSERT_EQ(connect_error(socket, at(here, 5168)), 0);
    EXPECT_EQ(name_by(::getpeername, socket), std::pair(here, std::uint16_t{5168}));
    const descriptor other(::accept(listener.get(), nullptr, nullptr));
    EXPECT_EQ(name_by(::getsockname, other), std::pair(here, std::uint16_t{5168}));
    ASSERT_TRUE(send_all(socket.get(), "hello\n", 6));
    must_be_hello(other);
    EXPECT_EQ(connect_error(tcp_socket(), at(here, 5169)), ECONNREFUSED);
}

TEST_P(RunSeveral, ListenAtTheOwnAddress) {
    const auto here = address_of(GetParam(), "g2");
    const auto listener = listening(5170, here);
    EXPECT_EQ(name_by(::getsockname, listener), std::pair(here, std::uint16_t{5170}));
    EXPECT_EQ(option<int>(listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
    be_visited(GetParam(), 5170);
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
    const auto socket = tcp_socket();
    ASSERT_EQ(connect_error(socket, at(here, 5170)), 0);
    ASSERT_TRUE(send_all(socket.get(), "hello\n", 6));
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
    EXPECT_EQ(connect_error(tcp_socket(), at("127.0.0.1", 5170)), ECONNREFUSED);
    EXPECT_EQ(bind_error(tcp_socket(), at(here, 5170)), EADDRINUSE);
}

std::string own6(const std::string& domain) {
    char text[64];
    std::snprintf(text, sizeof text, "fd78:7673:6f63:6b00::%x", std::stoi(variable("CID_" + domain)));
    return text;
}

/// Peers have addresses of IPv6 for who wants nothing else.
TEST(RunSeveralHere, ByIpv6Only) {
    for (const auto& here : {std::string("::"), own6("g2")}) {
        const auto port = static_cast<std::uint16_t>(here == "::" ? 5171 : 5172);
        const auto listener = tcp_socket(AF_INET6);
        ASSERT_EQ(set(listener, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0);
        ASSERT_EQ(bind_error(listener, at6(here, port)), 0);
        ASSERT_EQ(::listen(listener.get(), 8), 0);
        EXPECT_EQ(option<int>(listener, IPPROTO_IPV6, IPV6_V6ONLY), 1);
        be_visited(path::carried, port);
        const descriptor socket(::accept(listener.get(), nullptr, nullptr));
        must_be_hello(socket);
        EXPECT_EQ(name_by(::getpeername, socket).first, own6("g1"));
        EXPECT_EQ(name_by(::getsockname, socket).first, own6("g2"));
    }
}

} // namespace
} // namespace xvsock::guest
