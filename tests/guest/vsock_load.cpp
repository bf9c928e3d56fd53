// SPDX-License-Identifier: MIT
// Many connections to the echo service of vsock-services, for what one socket does not show:
//   vsock-load CID many COUNT BYTES     COUNT connections at once, each moves BYTES there and back
//   vsock-load CID cycles COUNT         connects, moves a byte there and back, closes; one after the other
//   vsock-load CID clients COUNT EACH   COUNT threads at once, each with EACH such cycles
//   vsock-load CID until-end COUNT [any]  COUNT connections that echo until the peer is gone; all have to end
//                                       with ECONNRESET, or with any error or end of input.
//                                       Says "running" when each has moved a MiB.
#include "vsock_socket.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>

using namespace xvsock::guest;

namespace {

constexpr std::size_t block = 16384;

descriptor connect_to_echo(std::uint32_t cid) {
    auto result = make_socket();
    // A busy emulated host may take longer than the two seconds that are the default.
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(result.get(), AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience, sizeof patience);
    if (const int error = try_connect(result.get(), cid, service::echo); error != 0)
        throw std::system_error(error, std::generic_category(), "connect");
    return result;
}

// One connection that sends `size` bytes of the pattern and gets them back, never blocking.
class echo_stream {
public:
    echo_stream(descriptor socket, std::uint64_t size, std::uint64_t seed)
        : socket_(std::move(socket)), size_(size), seed_(seed) {
        ::fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
    }

    [[nodiscard]] int fd() const { return socket_.get(); }
    [[nodiscard]] bool done() const { return received_ == size_; }
    [[nodiscard]] std::uint64_t received() const { return received_; }

    // Moves what can be moved now; 0, or the errno that ended it, or EPIPE for an end of input.
    int move() {
        for (bool moved = true; moved;) {
            moved = false;
            if (sent_ < size_) {
                std::array<std::uint8_t, block> data;
                const auto n = std::min<std::uint64_t>(data.size(), size_ - sent_);
                for (std::uint64_t i = 0; i < n; ++i)
                    data[i] = pattern(seed_ + sent_ + i);
                const auto did = ::send(fd(), data.data(), n, MSG_NOSIGNAL);
                // EPIPE is all that send() says of a connection that broke before; recv() knows why.
                if (did < 0 && errno != EAGAIN && errno != EPIPE)
                    return errno;
                if (did > 0) {
                    sent_ += static_cast<std::uint64_t>(did);
                    moved = true;
                }
            }
            std::array<std::uint8_t, block> data;
            const auto did = ::recv(fd(), data.data(), data.size(), 0);
            if (did < 0 && errno != EAGAIN)
                return errno;
            if (did == 0 && !done())
                return EPIPE;
            for (ssize_t i = 0; i < did; ++i)
                if (data[static_cast<std::size_t>(i)] !=
                    pattern(seed_ + received_ + static_cast<std::uint64_t>(i)))
                    throw std::runtime_error("byte " +
                                             std::to_string(received_ + static_cast<std::uint64_t>(i)) +
                                             " of a connection is not what was sent");
            if (did > 0) {
                received_ += static_cast<std::uint64_t>(did);
                moved = true;
            }
        }
        return 0;
    }

private:
    descriptor socket_;
    std::uint64_t size_;
    std::uint64_t seed_;
    std::uint64_t sent_ = 0;
    std::uint64_t received_ = 0;
};

// Runs all streams until each is done or has ended; calls at_end(errno) for the latter.
template <typename AtEnd, typename AtProgress>
void run_streams(std::vector<echo_stream>& streams, AtEnd at_end, AtProgress at_progress) {
    const descriptor epoll{::epoll_create1(EPOLL_CLOEXEC)};
    for (std::size_t i = 0; i < streams.size(); ++i) {
        epoll_event want{};
        want.events = EPOLLIN | EPOLLOUT | EPOLLET;
        want.data.u64 = i;
        if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, streams[i].fd(), &want) != 0)
            throw std::system_error(errno, std::generic_category(), "epoll_ctl");
    }
    std::vector<epoll_event> events(256);
    for (std::size_t left = streams.size(); left > 0;) {
        const int ready = ::epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()), 30000);
        if (ready == 0)
            throw std::runtime_error(std::to_string(left) + " connections have not moved for 30 s");
        for (int i = 0; i < ready; ++i) {
            auto& stream = streams[events[static_cast<std::size_t>(i)].data.u64];
            const int error = stream.move();
            if (error == 0 && !stream.done())
                continue;
            if (error != 0)
                at_end(error);
            ::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, stream.fd(), nullptr);
            --left;
        }
        at_progress();
    }
}

void many(std::uint32_t cid, std::size_t count, std::uint64_t bytes) {
    std::vector<echo_stream> streams;
    for (std::size_t i = 0; i < count; ++i)
        streams.emplace_back(connect_to_echo(cid), bytes, i * 7919);
    std::printf("%zu connections are open\n", streams.size());
    std::fflush(stdout);
    run_streams(
        streams,
        [](int error) {
            throw std::system_error(error, std::generic_category(), "a connection ended early");
        },
        [] {});
    std::printf("%zu connections have moved %llu bytes each way\n", count,
                static_cast<unsigned long long>(bytes));
}

void cycles(std::uint32_t cid, std::size_t count, std::uint64_t seed) {
    for (std::size_t i = 0; i < count; ++i) {
        const auto socket = connect_to_echo(cid);
        const auto out = pattern(seed + i);
        std::uint8_t back = 0;
        if (!send_all(socket.get(), &out, 1) || receive_all(socket.get(), &back, 1) != 1 || back != out)
            throw std::runtime_error("no echo in cycle " + std::to_string(i));
    }
}

void clients(std::uint32_t cid, std::size_t count, std::size_t each) {
    std::atomic<int> failed = 0;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < count; ++i)
        threads.emplace_back([&, i] {
            try {
                cycles(cid, each, i);
            } catch (const std::exception& error) {
                std::fprintf(stderr, "client %zu: %s\n", i, error.what());
                ++failed;
            }
        });
    for (auto& thread : threads)
        thread.join();
    if (failed > 0)
        throw std::runtime_error(std::to_string(failed) + " clients failed");
}

void until_end(std::uint32_t cid, std::size_t count, bool any) {
    std::vector<echo_stream> streams;
    for (std::size_t i = 0; i < count; ++i)
        streams.emplace_back(connect_to_echo(cid), ~std::uint64_t{0}, i * 7919);
    bool said = false;
    std::size_t others = 0;
    run_streams(
        streams,
        [&](int error) {
            if (error != ECONNRESET && !any) {
                std::fprintf(stderr, "a connection ended with: %s\n", std::strerror(error));
                ++others;
            }
        },
        [&] {
            if (!said && std::all_of(streams.begin(), streams.end(),
                                     [](const auto& stream) { return stream.received() >= 1 << 20; })) {
                said = true;
                std::puts("running");
                std::fflush(stdout);
            }
        });
    if (others > 0)
        throw std::runtime_error(std::to_string(others) + " connections did not end with ECONNRESET");
    std::puts("all have ended");
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    const auto number = [&](std::size_t i) { return std::stoul(words.at(i)); };
    try {
        rlimit files{.rlim_cur = 8192, .rlim_max = 8192};
        ::setrlimit(RLIMIT_NOFILE, &files);
        const auto cid = static_cast<std::uint32_t>(number(0));
        const auto& what = words.at(1);
        if (what == "many")
            many(cid, number(2), number(3));
        else if (what == "cycles")
            cycles(cid, number(2), 0);
        else if (what == "clients")
            clients(cid, number(2), number(3));
        else if (what == "until-end")
            until_end(cid, number(2), words.size() > 3 && words[3] == "any");
        else
            throw std::invalid_argument("what is " + what + "?");
        return 0;
    } catch (const std::logic_error&) {
        std::fprintf(stderr, "usage: vsock-load CID many COUNT BYTES | cycles COUNT | clients COUNT EACH | "
                             "until-end COUNT [any]\n");
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "vsock-load: %s\n", error.what());
        return 1;
    }
}
