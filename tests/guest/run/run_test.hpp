// SPDX-License-Identifier: MIT
// What the tests of `xvsock run` share. The program is run by it, in both guests. Nothing here knows of
// AF_VSOCK.
#pragma once

#include "vsock_socket.hpp" // descriptor, send_all() and receive_all()

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/wait.h>

namespace xvsock::guest {

using namespace std::chrono_literals;

// Ports of `run-test serve`.
enum run_port : std::uint16_t {
    run_echo = 7100, ///< gives back what it gets
    run_hang_up,     ///< closes at once
    run_who,         ///< a line: the caller's address and port
    run_visit,       ///< reads a port in a line, connects to it where the caller is, and sends "hello"
    run_nobody,      ///< nobody listens
};

/// How g1 is reached: over AF_VSOCK, or by TCP as ever. A test is the same for both.
enum class path { carried, tcp };

inline std::string carried_address(const std::string& domain) {
    const auto cid = std::stoul(variable("CID_" + domain));
    return "198.18." + std::to_string(cid / 256) + "." + std::to_string(cid % 256);
}

inline std::string address_of(path way, const std::string& domain = "g1") {
    return way == path::carried ? carried_address(domain) : variable("IP_" + domain);
}

inline sockaddr_in at(const std::string& address, std::uint16_t port) {
    sockaddr_in result{};
    result.sin_family = AF_INET;
    result.sin_port = htons(port);
    if (::inet_pton(AF_INET, address.c_str(), &result.sin_addr) != 1)
        throw std::runtime_error(address + " is no address");
    return result;
}

inline sockaddr_in6 at6(const std::string& address, std::uint16_t port) {
    sockaddr_in6 result{};
    result.sin6_family = AF_INET6;
    result.sin6_port = htons(port);
    if (::inet_pton(AF_INET6, address.c_str(), &result.sin6_addr) != 1)
        throw std::runtime_error(address + " is no address");
    return result;
}

inline descriptor tcp_socket(int family = AF_INET, int flags = 0) {
    descriptor made(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
    if (made.get() < 0)
        throw std::system_error(errno, std::generic_category(), "socket");
    return made;
}

/// 0, or the errno.
template <typename Address> int connect_error(const descriptor& socket, const Address& address) {
    return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0
                                                                                                     : errno;
}

inline descriptor connected(path way, std::uint16_t port) {
    auto socket = tcp_socket();
    if (const int error = connect_error(socket, at(address_of(way), port)))
        throw std::system_error(error, std::generic_category(), "connect");
    return socket;
}

template <typename Value> Value option(const descriptor& socket, int level, int name) {
    Value value{};
    socklen_t size = sizeof value;
    EXPECT_EQ(::getsockopt(socket.get(), level, name, &value, &size), 0) << std::strerror(errno);
    EXPECT_EQ(size, sizeof value);
    return value;
}

/// 0, or the errno.
inline int set(const descriptor& socket, int level, int name, int value) {
    return ::setsockopt(socket.get(), level, name, &value, sizeof value) == 0 ? 0 : errno;
}

/// 0, or the errno.
template <typename Address> int bind_error(const descriptor& socket, const Address& address) {
    return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

inline descriptor listening(std::uint16_t port, const std::string& address = "0.0.0.0") {
    auto socket = tcp_socket();
    set(socket, SOL_SOCKET, SO_REUSEADDR, 1);
    if (bind_error(socket, at(address, port)) != 0 || ::listen(socket.get(), 8) != 0)
        throw std::system_error(errno, std::generic_category(), "listen");
    return socket;
}

/// Has g1 connect to us there, and say hello.
inline void be_visited(path way, std::uint16_t port) {
    const auto socket = connected(way, run_visit);
    const auto line = std::to_string(port) + "\n";
    ASSERT_TRUE(send_all(socket.get(), line.data(), line.size()));
    ASSERT_EQ(receive_line(socket.get()), "ok");
}

inline void must_be_hello(const descriptor& socket) {
    ASSERT_GE(socket.get(), 0) << std::strerror(errno);
    EXPECT_EQ(receive_line(socket.get()), "hello");
}

/// Its status.
inline int wait_for(pid_t child) {
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return status;
}

inline short polled(const descriptor& socket, short events, int limit = 10000) {
    pollfd ready{socket.get(), events, 0};
    return ::poll(&ready, 1, limit) == 1 ? ready.revents : short{0};
}

inline void must_echo(int fd, std::size_t size = 100) {
    std::vector<char> sent(size);
    for (std::size_t i = 0; i < size; ++i)
        sent[i] = static_cast<char>(i * 7);
    std::vector<char> got(size);
    ASSERT_TRUE(send_all(fd, sent.data(), size));
    ASSERT_EQ(receive_all(fd, got.data(), size), size);
    EXPECT_EQ(sent, got);
}

/// The address that the call gives, as text, and its port.
template <typename Call> std::pair<std::string, std::uint16_t> name_by(Call call, const descriptor& socket) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (call(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
        return {std::strerror(errno), 0};
    char text[INET6_ADDRSTRLEN] = "";
    const auto* const six = reinterpret_cast<const sockaddr_in6*>(&address);
    const auto* const four = reinterpret_cast<const sockaddr_in*>(&address);
    EXPECT_EQ(size, address.ss_family == AF_INET ? sizeof *four : sizeof *six);
    if (address.ss_family == AF_INET)
        ::inet_ntop(AF_INET, &four->sin_addr, text, sizeof text);
    else
        ::inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text);
    return {text, ntohs(four->sin_port)};
}

class Run : public testing::TestWithParam<path> {};

#define XVSOCK_BOTH_WAYS(suite)                                                                              \
    INSTANTIATE_TEST_SUITE_P(Paths, suite, testing::Values(path::tcp, path::carried),                        \
                             [](const auto& info) { return info.param == path::tcp ? "Tcp" : "Carried"; })

} // namespace xvsock::guest
