// SPDX-License-Identifier: MIT
#include "kernel_way.hpp"

#include <cerrno>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace xvsock::bench {

namespace {

std::array<int, 2> make_pipe() {
    std::array<int, 2> fds{};
    if (::pipe2(fds.data(), O_CLOEXEC) != 0)
        fail("pipe");
    return fds;
}

std::array<int, 2> make_unix_sockets() {
    std::array<int, 2> fds{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) != 0)
        fail("socketpair");
    return fds;
}

std::array<int, 2> make_tcp_sockets() {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t length = sizeof(address);
    if (listener < 0 || client < 0 || ::bind(listener, generic, length) != 0 || ::listen(listener, 1) != 0 ||
        ::getsockname(listener, generic, &length) != 0 || ::connect(client, generic, length) != 0)
        fail("a TCP connection over loopback");
    const int server = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (server < 0)
        fail("accept");
    ::close(listener);
    const int on = 1;
    for (const int fd : {client, server}) {
        if (::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
            fail("TCP_NODELAY");
    }
    return {client, server};
}

} // namespace

kernel_way::kernel_way(kernel_kind kind, waiting how) {
    if (kind == kernel_kind::pipe) {
        const auto to_child = make_pipe();
        const auto to_parent = make_pipe();
        ends_ = {
            {{.reads = to_parent[0], .writes = to_child[1]}, {.reads = to_child[0], .writes = to_parent[1]}}};
    } else {
        const auto fds = kind == kernel_kind::unix_socket ? make_unix_sockets() : make_tcp_sockets();
        ends_ = {{{.reads = fds[0], .writes = fds[0]}, {.reads = fds[1], .writes = fds[1]}}};
    }
    if (how != waiting::spins)
        return;
    for (const auto& end : ends_) {
        for (const int fd : {end.reads, end.writes}) {
            if (::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
                fail("O_NONBLOCK");
        }
    }
}

kernel_way::kernel_way(kernel_way&& other) noexcept
    : ends_(std::exchange(other.ends_, {})), own_(std::exchange(other.own_, {})) {}

kernel_way::~kernel_way() {
    for (const auto& end : ends_) {
        if (end.reads >= 0)
            ::close(end.reads);
        if (end.writes >= 0 && end.writes != end.reads)
            ::close(end.writes);
    }
}

void kernel_way::settle(side which, pid_t) {
    own_ = ends_[which == side::parent ? 0 : 1];
}

void kernel_way::send(const_bytes data) const {
    while (!data.empty()) {
        const auto sent = ::write(own_.writes, data.data(), data.size());
        if (sent > 0)
            data = data.subspan(static_cast<std::size_t>(sent));
        else if (errno == EAGAIN)
            relax();
        else
            fail("write");
    }
}

void kernel_way::receive(bytes data) const {
    while (!data.empty()) {
        const auto received = ::read(own_.reads, data.data(), data.size());
        if (received > 0)
            data = data.subspan(static_cast<std::size_t>(received));
        else if (received == 0)
            throw std::runtime_error("the other side is gone");
        else if (errno == EAGAIN)
            relax();
        else
            fail("read");
    }
}

} // namespace xvsock::bench
