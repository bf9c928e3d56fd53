// SPDX-License-Identifier: MIT
// Who reaches whom, as programs see it:
//   vsock-reach serve PORT...              echoes at these ports
//   vsock-reach within SECONDS CID:PORT=WHAT...
//       Tries all at once, again and again, until each is as it says here; prints those that are not. WHAT is
//       talks, refused (as where nobody listens), or no-link.
//   vsock-reach never CID:PORT...          tries until one is reached, and says which
//   vsock-reach hold CID:PORT              echoes on one connection until it ends, and says how
#include "vsock_socket.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <future>
#include <iterator>
#include <string_view>
#include <thread>
#include <vector>

using namespace xvsock::guest;
using namespace std::chrono_literals;

namespace {

struct target {
    std::uint32_t cid = 0;
    std::uint32_t port = 0;
    std::string wanted;
};

target parse_target(std::string_view text) {
    const auto colon = text.find(':'), equals = text.find('=');
    if (colon == text.npos)
        throw std::runtime_error(std::string(text) + " is no CID:PORT");
    const auto number = [](std::string_view digits) {
        return std::uint32_t(std::stoul(std::string(digits)));
    };
    return {.cid = number(text.substr(0, colon)),
            .port = number(text.substr(colon + 1)),
            .wanted = equals == text.npos ? "" : std::string(text.substr(equals + 1))};
}

std::vector<target> parse_targets(char** first, char** last) {
    std::vector<target> result;
    std::transform(first, last, std::back_inserter(result), parse_target);
    return result;
}

void set_patience(int fd, int seconds) {
    const timeval patience{.tv_sec = seconds, .tv_usec = 0};
    ::setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience, sizeof patience);
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

std::string describe(int error) {
    switch (error) {
    case ECONNRESET:
        return "refused";
    case EHOSTUNREACH: // from Linux 7.0 on also ENODEV
    case ENODEV:
        return "no-link";
    default:
        return std::strerror(error);
    }
}

bool echoes(int fd) {
    std::array<char, 5> there{'h', 'e', 'l', 'l', 'o'}, back{};
    return send_all(fd, there.data(), there.size()) &&
           receive_all(fd, back.data(), back.size()) == back.size() && there == back;
}

std::string try_once(const target& to) {
    const auto socket = make_socket();
    set_patience(socket.get(), 10);
    if (const int error = try_connect(socket.get(), to.cid, to.port); error != 0)
        return describe(error);
    return echoes(socket.get()) ? "talks" : "connected, but says nothing";
}

std::vector<std::string> try_all(const std::vector<target>& targets) {
    std::vector<std::future<std::string>> attempts;
    for (const target& to : targets)
        attempts.push_back(std::async(std::launch::async, try_once, std::cref(to)));
    std::vector<std::string> outcomes;
    for (auto& one : attempts)
        outcomes.push_back(one.get());
    return outcomes;
}

int within(std::chrono::seconds limit, const std::vector<target>& targets) {
    const auto end = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const auto outcomes = try_all(targets);
        const bool over = std::chrono::steady_clock::now() >= end;
        bool right = true;
        for (std::size_t i = 0; i < targets.size(); ++i) {
            const auto& [cid, port, wanted] = targets[i];
            if (outcomes[i] == wanted)
                continue;
            right = false;
            if (over)
                std::printf("%u:%u %s, not %s\n", cid, port, outcomes[i].c_str(), wanted.c_str());
        }
        if (right || over)
            return right ? 0 : 1;
        std::this_thread::sleep_for(200ms);
    }
}

int never(const std::vector<target>& targets) {
    for (;; std::this_thread::sleep_for(300ms))
        for (const auto& to : targets) {
            const auto socket = make_socket();
            set_patience(socket.get(), 10);
            if (try_connect(socket.get(), to.cid, to.port) != 0)
                continue;
            std::printf("%u:%u was reached\n", to.cid, to.port);
            return 1;
        }
}

int hold(const target& to) {
    const auto socket = make_socket();
    set_patience(socket.get(), 60);
    int error = try_connect(socket.get(), to.cid, to.port);
    for (bool said = false; error == 0; std::this_thread::sleep_for(100ms)) {
        errno = 0;
        if (!echoes(socket.get()))
            error = errno == 0 ? EPIPE : errno;
        else if (!std::exchange(said, true))
            std::puts("held");
    }
    // After a reset send() says only EPIPE, and recv() the reason: which one comes to see it is chance.
    int reason = 0;
    socklen_t size = sizeof reason;
    if (error == EPIPE && ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &reason, &size) == 0 &&
        reason != 0)
        error = reason;
    std::printf("ended: %s\n", std::strerror(error));
    return 1;
}

void serve_port(std::uint32_t port) {
    const auto listener = listen_on(port, 128);
    for (;;) {
        descriptor client{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
        if (client.get() < 0) {
            std::perror("accept"); // a connection whose link has gone
            std::this_thread::sleep_for(100ms);
            continue;
        }
        std::thread([client = std::move(client)] {
            std::array<char, 64> data;
            for (ssize_t got; (got = ::recv(client.get(), data.data(), data.size(), 0)) > 0;)
                if (!send_all(client.get(), data.data(), std::size_t(got)))
                    return;
        }).detach();
    }
}

int serve(const std::vector<std::string>& ports) {
    std::vector<std::jthread> threads;
    for (const auto& port : ports)
        threads.emplace_back(serve_port, std::uint32_t(std::stoul(port)));
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    const std::string_view what = argc > 2 ? argv[1] : "";
    try {
        if (what == "serve")
            return serve({argv + 2, argv + argc});
        if (what == "within")
            return within(std::chrono::seconds(std::stoi(argv[2])), parse_targets(argv + 3, argv + argc));
        if (what == "never")
            return never(parse_targets(argv + 2, argv + argc));
        if (what == "hold")
            return hold(parse_target(argv[2]));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "vsock-reach: %s\n", error.what());
        return 2;
    }
    std::fputs("usage: vsock-reach serve PORT... | within SECONDS CID:PORT=WHAT... | never CID:PORT... | "
               "hold CID:PORT\n",
               stderr);
    return 2;
}
