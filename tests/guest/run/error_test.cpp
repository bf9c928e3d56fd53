// SPDX-License-Identifier: MIT
// What is wrong is refused as TCP refuses it: bad pointers, lengths, and calls at the wrong time.
#include "run_test.hpp"

#include <climits>

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

namespace xvsock::guest {
namespace {

using RunError = Run;
XVSOCK_BOTH_WAYS(RunError);

/// A pointer to nothing, which the compiler does not see through.
template <typename Thing> Thing* bad() {
    volatile std::uintptr_t number = 16;
    return reinterpret_cast<Thing*>(number); // NOLINT(performance-no-int-to-ptr)
}

/// 0 for a call that succeeds, or the errno.
int error_of(ssize_t result) {
    return result < 0 ? errno : 0;
}

TEST_P(RunError, WhereToConnect) {
    const auto there = at(address_of(GetParam()), run_echo);
    const auto* const address = reinterpret_cast<const sockaddr*>(&there);
    const auto socket = tcp_socket();
    EXPECT_EQ(error_of(::connect(socket.get(), bad<sockaddr>(), sizeof there)), EFAULT);
    EXPECT_EQ(error_of(::connect(socket.get(), nullptr, sizeof there)), EFAULT);
    EXPECT_EQ(error_of(::connect(socket.get(), address, 0)), EINVAL);
    EXPECT_EQ(error_of(::connect(socket.get(), address, 1)), EINVAL);
    EXPECT_EQ(error_of(::connect(socket.get(), address, 8)), EINVAL);
    EXPECT_EQ(error_of(::connect(socket.get(), address, static_cast<socklen_t>(-1))), EINVAL);
    EXPECT_EQ(error_of(::connect(-1, address, sizeof there)), EBADF);
    const descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    EXPECT_EQ(error_of(::connect(null.get(), address, sizeof there)), ENOTSOCK);
    auto unix_address = there;
    unix_address.sin_family = AF_UNIX;
    EXPECT_EQ(connect_error(socket, unix_address), EAFNOSUPPORT);
    ASSERT_EQ(connect_error(socket, there), 0); // the same socket
    EXPECT_EQ(error_of(::connect(socket.get(), bad<sockaddr>(), sizeof there)), EFAULT);
    EXPECT_EQ(error_of(::connect(socket.get(), address, 1)), EINVAL);
    EXPECT_EQ(connect_error(socket, unix_address), EISCONN);
    must_echo(socket.get());
}

TEST_P(RunError, ConnectingToNothingDisconnects) {
    const auto socket = connected(GetParam(), run_echo);
    sockaddr_in nothing{};
    nothing.sin_family = AF_UNSPEC;
    EXPECT_EQ(connect_error(socket, nothing), 0);
    EXPECT_EQ(name_by(::getpeername, socket).first, std::strerror(ENOTCONN));
    ASSERT_EQ(connect_error(socket, at(address_of(GetParam()), run_echo)), 0);
    must_echo(socket.get());
}

TEST_P(RunError, AtTheWrongTime) {
    const auto socket = connected(GetParam(), run_echo);
    EXPECT_EQ(bind_error(socket, at("0.0.0.0", 5999)), EINVAL);
    EXPECT_EQ(error_of(::listen(socket.get(), 1)), EINVAL);
    EXPECT_EQ(error_of(::accept(socket.get(), nullptr, nullptr)), EINVAL);
    EXPECT_EQ(error_of(::accept4(socket.get(), nullptr, nullptr, 0)), EINVAL);
    EXPECT_EQ(error_of(::shutdown(socket.get(), 99)), EINVAL);
    EXPECT_EQ(error_of(::shutdown(tcp_socket().get(), SHUT_RDWR)), ENOTCONN);
    EXPECT_EQ(error_of(::accept(tcp_socket().get(), nullptr, nullptr)), EINVAL);
    const auto listener = listening(5150);
    EXPECT_EQ(connect_error(listener, at(address_of(GetParam()), run_echo)), EISCONN);
    EXPECT_EQ(bind_error(listener, at("0.0.0.0", 5999)), EINVAL);
    EXPECT_EQ(error_of(::shutdown(listener.get(), 99)), EINVAL);
    EXPECT_EQ(error_of(::accept4(listener.get(), nullptr, nullptr, 1)), EINVAL);
    EXPECT_EQ(error_of(::socket(AF_INET, SOCK_STREAM, IPPROTO_UDP)), EPROTONOSUPPORT);
    EXPECT_EQ(error_of(::socket(AF_INET, 99, 0)), EINVAL);
    must_echo(socket.get());
}

TEST_P(RunError, WhereNamesGo) {
    const auto socket = connected(GetParam(), run_echo);
    using call = int (*)(int, sockaddr*, socklen_t*);
    sockaddr_in name{};
    socklen_t size = sizeof name;
    auto* const address = reinterpret_cast<sockaddr*>(&name);
    for (const call one : {call{::getsockname}, call{::getpeername}}) {
        EXPECT_EQ(error_of(one(socket.get(), bad<sockaddr>(), &size)), EFAULT);
        EXPECT_EQ(error_of(one(socket.get(), nullptr, &size)), EFAULT);
        EXPECT_EQ(error_of(one(socket.get(), address, nullptr)), EFAULT);
        EXPECT_EQ(error_of(one(socket.get(), address, bad<socklen_t>())), EFAULT);
        size = static_cast<socklen_t>(-1);
        EXPECT_EQ(error_of(one(socket.get(), address, &size)), EINVAL);
        size = 0;
        EXPECT_EQ(error_of(one(socket.get(), address, &size)), 0);
        EXPECT_EQ(size, sizeof name);
        EXPECT_EQ(error_of(one(-1, address, &size)), EBADF);
    }
    EXPECT_EQ(error_of(::getpeername(tcp_socket().get(), address, &size)), ENOTCONN);
    EXPECT_EQ(error_of(::bind(tcp_socket().get(), bad<sockaddr>(), sizeof name)), EFAULT);
    EXPECT_EQ(error_of(::bind(tcp_socket().get(), address, 4)), EINVAL);
}

TEST_P(RunError, WhereAVisitorsNameGoes) {
    const auto listener = listening(5151);
    sockaddr_in name{};
    socklen_t size = sizeof name;
    be_visited(GetParam(), 5151);
    EXPECT_EQ(error_of(::accept(listener.get(), bad<sockaddr>(), &size)), EFAULT);
    be_visited(GetParam(), 5151);
    EXPECT_EQ(error_of(::accept4(listener.get(), reinterpret_cast<sockaddr*>(&name), nullptr, 0)), EFAULT);
    EXPECT_EQ(error_of(::accept(-1, nullptr, nullptr)), EBADF);
}

TEST_P(RunError, Options) {
    const auto socket = connected(GetParam(), run_echo);
    const std::pair<int, int> options[] = {{SOL_SOCKET, SO_KEEPALIVE},
                                           {SOL_SOCKET, SO_DOMAIN},
                                           {SOL_SOCKET, SO_ERROR},
                                           {IPPROTO_TCP, TCP_NODELAY},
                                           {IPPROTO_IP, IP_TTL}};
    int value = 0;
    socklen_t size = sizeof value;
    for (const auto& [level, name] : options) {
        EXPECT_EQ(error_of(::getsockopt(socket.get(), level, name, bad<int>(), &size)), EFAULT) << name;
        EXPECT_EQ(error_of(::getsockopt(socket.get(), level, name, &value, bad<socklen_t>())), EFAULT)
            << name;
        auto negative = static_cast<socklen_t>(-1);
        EXPECT_EQ(error_of(::getsockopt(socket.get(), level, name, &value, &negative)), EINVAL) << name;
    }
    EXPECT_EQ(error_of(::getsockopt(socket.get(), SOL_SOCKET, 9999, &value, &size)), ENOPROTOOPT);
    EXPECT_EQ(error_of(::getsockopt(socket.get(), 9999, 1, &value, &size)), EOPNOTSUPP);
    for (const auto& [level, name] : {options[0], options[3]}) {
        EXPECT_EQ(error_of(::setsockopt(socket.get(), level, name, bad<int>(), sizeof value)), EFAULT)
            << name;
        EXPECT_EQ(error_of(::setsockopt(socket.get(), level, name, &value, 1)), EINVAL) << name;
    }
    EXPECT_EQ(set(socket, SOL_SOCKET, SO_DOMAIN, 1), ENOPROTOOPT);
    EXPECT_EQ(set(socket, 9999, 1, 1), ENOPROTOOPT);
}

TEST_P(RunError, Data) {
    const auto socket = connected(GetParam(), run_echo);
    EXPECT_EQ(error_of(::send(socket.get(), bad<char>(), 100, 0)), EFAULT);
    EXPECT_EQ(error_of(::sendto(socket.get(), bad<char>(), 100, 0, nullptr, 0)), EFAULT);
    EXPECT_EQ(error_of(::write(socket.get(), bad<char>(), 100)), EFAULT);
    EXPECT_EQ(error_of(::writev(socket.get(), bad<iovec>(), 1)), EFAULT);
    EXPECT_EQ(error_of(::writev(socket.get(), bad<iovec>(), IOV_MAX + 1)), EINVAL);
    EXPECT_EQ(error_of(::readv(socket.get(), bad<iovec>(), 1)), EFAULT);
    EXPECT_EQ(error_of(::sendmsg(socket.get(), bad<msghdr>(), 0)), EFAULT);
    EXPECT_EQ(error_of(::recvmsg(socket.get(), bad<msghdr>(), 0)), EFAULT);
    EXPECT_EQ(error_of(::sendmmsg(socket.get(), bad<mmsghdr>(), 1, 0)), EFAULT);
    ASSERT_EQ(::send(socket.get(), "abcd", 4, 0), 4);
    ASSERT_EQ(polled(socket, POLLIN), POLLIN);
    EXPECT_EQ(error_of(::recvmmsg(socket.get(), bad<mmsghdr>(), 1, 0, nullptr)), EFAULT);
    EXPECT_EQ(error_of(::recv(socket.get(), bad<char>(), 1, 0)), EFAULT);
    EXPECT_EQ(error_of(::recvfrom(socket.get(), bad<char>(), 1, 0, nullptr, nullptr)), EFAULT);
    EXPECT_EQ(error_of(::read(socket.get(), bad<char>(), 1)), EFAULT);
}

TEST_P(RunError, Controls) {
    const auto socket = connected(GetParam(), run_echo);
    for (const unsigned long request : {FIONREAD, SIOCOUTQ, SIOCATMARK})
        EXPECT_EQ(error_of(::ioctl(socket.get(), request, bad<int>())), EFAULT) << request;
    int count = -1;
    EXPECT_EQ(error_of(::ioctl(socket.get(), SIOCOUTQ, &count)), 0);
    EXPECT_EQ(count, 0);
    EXPECT_EQ(error_of(::ioctl(socket.get(), 0x8999, &count)), ENOTTY);
    const auto listener = listening(5152);
    for (const unsigned long request : {FIONREAD, SIOCOUTQ})
        EXPECT_EQ(error_of(::ioctl(listener.get(), request, &count)), EINVAL) << request;
    EXPECT_EQ(::sockatmark(listener.get()), 0);
    EXPECT_EQ(error_of(::sockatmark(-1)), EBADF);
    EXPECT_EQ(error_of(::ioctl(-1, FIONREAD, &count)), EBADF);
}

} // namespace
} // namespace xvsock::guest
