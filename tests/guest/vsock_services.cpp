// SPDX-License-Identifier: MIT
// The server side of the stream tests: one thread per service and per connection, and
// a process per control connection of service::remote.
#include "remote_server.hpp"
#include "vsock_socket.hpp"

#include <array>
#include <cstdio>
#include <functional>
#include <thread>
#include <vector>

#include <sys/resource.h>

using namespace xvsock::guest;

namespace {

constexpr int backlog = 1024;

void serve_echo(int fd) {
    std::vector<char> buffer(65536);
    for (;;) {
        const auto got = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (got <= 0 || !send_all(fd, buffer.data(), static_cast<std::size_t>(got)))
            return;
    }
}

void serve_source(int fd) {
    std::uint64_t size = 0;
    if (receive_all(fd, &size, sizeof size) != sizeof size)
        return;
    std::vector<std::uint8_t> buffer(65536);
    for (std::uint64_t sent = 0; sent < size;) {
        const auto n = std::min<std::uint64_t>(buffer.size(), size - sent);
        for (std::uint64_t i = 0; i < n; ++i)
            buffer[i] = pattern(sent + i);
        if (!send_all(fd, buffer.data(), n))
            return;
        sent += n;
    }
}

void serve_count(int fd) {
    std::array<std::uint64_t, 2> result{};
    std::vector<std::uint8_t> buffer(65536);
    for (;;) {
        const auto got = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (got <= 0)
            break;
        result[0] += static_cast<std::uint64_t>(got);
        for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i)
            result[1] += buffer[i];
    }
    send_all(fd, result.data(), sizeof result);
}

void serve_no_read(int fd) {
    // The client's close is the only thing that this waits for.
    char byte = 0;
    timeval patience{.tv_sec = 1, .tv_usec = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    for (int tick = 0; tick < 60; ++tick) {
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
        if (::send(fd, &byte, 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EPIPE)
            return;
        if (::send(fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
            return;
    }
}

void run_service(std::uint32_t port, const std::function<void(int)>& serve) {
    const auto listener = listen_on(port, backlog);
    for (;;) {
        descriptor client{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
        if (client.get() < 0) {
            std::perror("accept");
            return;
        }
        std::thread([serve, client = std::move(client)] { serve(client.get()); }).detach();
    }
}

} // namespace

int main() {
    try {
        const auto remote = ::fork(); // before there are threads
        if (remote < 0)
            throw std::system_error(errno, std::generic_category(), "fork");
        if (remote == 0) {
            serve_remote();
            return 1;
        }
        const auto full = listen_on(service::no_accept, 1);
        std::vector<std::thread> threads;
        threads.emplace_back(run_service, service::echo, serve_echo);
        threads.emplace_back(run_service, service::source, serve_source);
        threads.emplace_back(run_service, service::count, serve_count);
        threads.emplace_back(run_service, service::hang_up, [](int) {});
        threads.emplace_back(run_service, service::no_read, serve_no_read);
        rlimit files{.rlim_cur = 8192, .rlim_max = 8192};
        ::setrlimit(RLIMIT_NOFILE, &files);
        std::puts("services are up");
        std::fflush(stdout);
        for (auto& thread : threads)
            thread.join();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "vsock-services: %s\n", error.what());
    }
    return 1; // services end only by being killed, or by failing
}
