// SPDX-License-Identifier: MIT
#include "echo_loop.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

namespace xvsock::bench {

namespace {

int check(int result, const char* what) {
    if (result < 0)
        throw std::system_error(errno, std::generic_category(), what);
    return result;
}

sockaddr_vm address(std::uint32_t cid, std::uint32_t port) {
    sockaddr_vm result{};
    result.svm_family = AF_VSOCK;
    result.svm_cid = cid;
    result.svm_port = port;
    return result;
}

void add(int poll, int fd, std::uint32_t events) {
    epoll_event event{.events = events, .data = {.fd = fd}};
    check(::epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

// A message is much smaller than the rings: it goes at once or never.
void send_message(int fd, const char* data, std::size_t size) {
    if (::send(fd, data, size, MSG_NOSIGNAL) != static_cast<ssize_t>(size))
        throw std::system_error(errno, std::generic_category(), "send");
}

void serve_thread(int listener) {
    const int poll = check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    add(poll, listener, EPOLLIN | EPOLLEXCLUSIVE);
    std::array<epoll_event, 128> events{};
    std::array<char, buffer_size> data{};
    for (;;) {
        const int count = check(::epoll_wait(poll, events.data(), events.size(), -1), "epoll_wait");
        for (int i = 0; i < count; ++i) {
            const int fd = events.at(i).data.fd;
            if (fd == listener) {
                const int client = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (client >= 0)
                    add(poll, client, EPOLLIN);
                continue;
            }
            const auto got = ::recv(fd, data.data(), data.size(), 0);
            if (got > 0)
                send_message(fd, data.data(), static_cast<std::size_t>(got));
            else if (got == 0 || errno != EAGAIN)
                ::close(fd);
        }
    }
}

} // namespace

void serve_plain(std::uint32_t port, unsigned threads) {
    const int listener = check(::socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
    const auto here = address(VMADDR_CID_ANY, port);
    check(::bind(listener, reinterpret_cast<const sockaddr*>(&here), sizeof here), "bind");
    check(::listen(listener, SOMAXCONN), "listen");
    std::vector<std::jthread> others;
    for (unsigned i = 1; i < threads; ++i)
        others.emplace_back(serve_thread, listener);
    serve_thread(listener);
}

std::int64_t run_plain(const echo_load& load) {
    const int poll = check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    struct connection {
        unsigned rounds = 0;
        std::size_t got = 0;
    };
    std::vector<connection> connections; // by fd
    std::vector<int> fds;
    const auto there = address(load.cid, load.port);
    for (unsigned i = 0; i < load.connections; ++i) {
        const int fd = check(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
        check(::connect(fd, reinterpret_cast<const sockaddr*>(&there), sizeof there), "connect");
        check(::fcntl(fd, F_SETFL, O_NONBLOCK), "fcntl");
        add(poll, fd, EPOLLIN);
        fds.push_back(fd);
        connections.resize(std::max<std::size_t>(connections.size(), fd + 1));
    }
    const std::array<char, message_size> message{};
    std::array<char, buffer_size> data{};
    std::array<epoll_event, 128> events{};
    const auto start = std::chrono::steady_clock::now();
    for (const int fd : fds)
        send_message(fd, message.data(), message.size());
    for (unsigned left = load.connections; left > 0;) {
        const int count = check(::epoll_wait(poll, events.data(), events.size(), -1), "epoll_wait");
        for (int i = 0; i < count; ++i) {
            const int fd = events.at(i).data.fd;
            connection& one = connections.at(fd);
            const auto got = ::recv(fd, data.data(), data.size(), 0);
            if (got <= 0)
                throw std::runtime_error("the server has gone");
            one.got += static_cast<std::size_t>(got);
            if (one.got < message_size)
                continue;
            one.got = 0;
            if (++one.rounds < load.rounds)
                send_message(fd, message.data(), message.size());
            else
                --left;
        }
    }
    const auto time = std::chrono::steady_clock::now() - start;
    for (const int fd : fds)
        ::close(fd);
    ::close(poll);
    return std::chrono::nanoseconds(time).count();
}

std::int64_t run_blocking_plain(const echo_load& load) {
    const int fd = check(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    const auto there = address(load.cid, load.port);
    check(::connect(fd, reinterpret_cast<const sockaddr*>(&there), sizeof there), "connect");
    const std::array<char, message_size> message{};
    std::array<char, buffer_size> data{};
    const auto start = std::chrono::steady_clock::now();
    for (unsigned round = 0; round < load.rounds; ++round) {
        send_message(fd, message.data(), message.size());
        for (std::size_t got = 0; got < message_size;)
            got += static_cast<std::size_t>(
                check(static_cast<int>(::recv(fd, data.data(), data.size(), 0)), "recv"));
    }
    const auto time = std::chrono::steady_clock::now() - start;
    ::close(fd);
    return std::chrono::nanoseconds(time).count();
}

} // namespace xvsock::bench
