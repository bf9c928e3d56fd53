// SPDX-License-Identifier: MIT
// Connections whose allocations fail, for a kernel with fault injection:
//   vsock-faults serve                      an echo service; its calls fail as debugfs says
//   vsock-faults CID nth                    one connection after the other: in the first the first allocation
//                                           fails, in the next the second, until none is left to fail
//   vsock-faults CID random SECONDS COUNT   COUNT threads make connections of all sizes; their calls fail as
//                                           debugfs says, and the peer may go away
//   vsock-faults CID check COUNT            COUNT connections without any fault; all have to work
// Each call has to succeed or to say one of the errors that a program expects; none may hang; no byte may be
// wrong.
#include "vsock_socket.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

using namespace xvsock::guest;

namespace {

constexpr std::uint32_t port = 7100;
constexpr std::size_t block = 65536;
constexpr int end_of_input = -1; // beside the errnos

// A host that is emulated and checks every lock takes its time: what takes longer than this hangs.
int patience_seconds() {
    const char* text = std::getenv("SLOWNESS");
    return 20 * (text != nullptr ? std::atoi(text) : 1);
}

// A file of /proc that decides which allocations of this thread fail.
class fault_file {
public:
    explicit fault_file(const char* name)
        : file_(::open((std::string("/proc/thread-self/") + name).c_str(), O_RDWR | O_CLOEXEC)) {
        if (file_.get() < 0)
            throw std::system_error(errno, std::generic_category(), name);
    }
    void write(unsigned value) const {
        const auto text = std::to_string(value);
        if (::pwrite(file_.get(), text.data(), text.size(), 0) < 0)
            throw std::system_error(errno, std::generic_category(), "setting up faults");
    }
    [[nodiscard]] unsigned read() const {
        std::array<char, 16> text{};
        if (::pread(file_.get(), text.data(), text.size() - 1, 0) < 0)
            throw std::system_error(errno, std::generic_category(), "asking for faults");
        return static_cast<unsigned>(std::atoi(text.data()));
    }

private:
    descriptor file_;
};

// While it lives, allocations of this thread may fail.
class failing {
public:
    explicit failing(const fault_file* file) : file_(file) {
        if (file_ != nullptr)
            file_->write(1);
    }
    failing(const failing&) = delete;
    failing& operator=(const failing&) = delete;
    ~failing() {
        if (file_ != nullptr)
            file_->write(0);
    }

private:
    const fault_file* file_;
};

struct totals {
    std::uint64_t connections = 0; // made
    std::uint64_t whole = 0;       // and did all that they should
    std::uint64_t bytes = 0;       // there and back
    std::map<int, std::uint64_t> ends;

    void add(const totals& other) {
        connections += other.connections;
        whole += other.whole;
        bytes += other.bytes;
        for (const auto& [error, count] : other.ends)
            ends[error] += count;
    }
    void print(const char* what) const {
        std::printf("%s: connections=%llu whole=%llu bytes=%llu", what,
                    static_cast<unsigned long long>(connections), static_cast<unsigned long long>(whole),
                    static_cast<unsigned long long>(bytes));
        for (const auto& [error, count] : ends)
            std::printf(" %s=%llu", error == end_of_input ? "end" : ::strerrorname_np(error),
                        static_cast<unsigned long long>(count));
        std::printf("\n");
        std::fflush(stdout);
    }
};

void expect_clean(const char* call, int error) {
    // ENFILE: accept() says so also when there was no memory for the socket's inode.
    static constexpr std::array clean{end_of_input, ENOMEM,   ENOBUFS,      ENFILE, ECONNRESET,  ECONNREFUSED,
                                      EPIPE,        ENOTCONN, ECONNABORTED, ENODEV, EHOSTUNREACH};
    if (std::find(clean.begin(), clean.end(), error) == clean.end())
        throw std::runtime_error(std::string(call) + " ended with " + std::strerror(error));
}

void check_pattern(const std::uint8_t* data, std::uint64_t size, std::uint64_t position) {
    for (std::uint64_t i = 0; i < size; ++i)
        if (data[i] != pattern(position + i))
            throw std::runtime_error("byte " + std::to_string(position + i) + " is not what was sent");
}

// Sends `size` bytes and takes them back. 0, or how it ended.
int move(int fd, std::uint64_t size, std::uint64_t& received) {
    std::vector<std::uint8_t> out(block);
    std::vector<std::uint8_t> in(block);
    std::uint64_t sent = 0;
    received = 0;
    while (received < size) {
        bool moved = false;
        if (sent < size) {
            const auto n = std::min<std::uint64_t>(block, size - sent);
            for (std::uint64_t i = 0; i < n; ++i)
                out[i] = pattern(sent + i);
            const auto did = ::send(fd, out.data(), n, MSG_NOSIGNAL | MSG_DONTWAIT);
            // EPIPE: recv() knows more.
            if (did < 0 && errno != EAGAIN && errno != EPIPE) {
                expect_clean("send", errno);
                // With ENOMEM for a call that did nothing the connection goes on.
                if (errno != ENOMEM && errno != ENOBUFS)
                    return errno;
            }
            if (did > 0) {
                sent += static_cast<std::uint64_t>(did);
                moved = true;
            }
        }
        const auto did = ::recv(fd, in.data(), block, MSG_DONTWAIT);
        if (did == 0)
            return end_of_input;
        if (did < 0 && errno != EAGAIN) {
            expect_clean("recv", errno);
            if (errno != ENOMEM && errno != ENOBUFS)
                return errno;
        }
        if (did > 0) {
            check_pattern(in.data(), static_cast<std::uint64_t>(did), received);
            received += static_cast<std::uint64_t>(did);
            moved = true;
        }
        if (moved)
            continue;
        pollfd want{
            .fd = fd, .events = static_cast<short>(POLLIN | (sent < size ? POLLOUT : 0)), .revents = 0};
        const int ready = ::poll(&want, 1, patience_seconds() * 1000);
        if (ready == 0)
            throw std::runtime_error("a connection hangs with " + std::to_string(sent) + " bytes sent and " +
                                     std::to_string(received) + " received");
        if (ready < 0 && errno != ENOMEM && errno != EINTR)
            throw std::system_error(errno, std::generic_category(), "poll");
    }
    return 0;
}

// One connection from its socket to its close; what it came to is added to `sum`.
bool session(std::uint32_t cid, std::uint64_t size, bool half_close, totals& sum) {
    const auto ended = [&](int error) {
        ++sum.ends[error];
        return false;
    };
    descriptor socket{::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (socket.get() < 0) {
        if (errno == ENFILE) // what the kernel makes of an inode that it cannot allocate
            return ended(errno);
        expect_clean("socket", errno);
        return ended(errno);
    }
    const timeval patience{.tv_sec = patience_seconds(), .tv_usec = 0};
    ::setsockopt(socket.get(), AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience, sizeof patience);
    if (const int error = try_connect(socket.get(), cid, port); error != 0) {
        expect_clean("connect", error);
        return ended(error);
    }
    ++sum.connections;
    std::uint64_t received = 0;
    const int error = move(socket.get(), size, received);
    sum.bytes += received;
    if (error != 0)
        return ended(error);
    if (half_close) {
        ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (::shutdown(socket.get(), SHUT_WR) != 0) {
            expect_clean("shutdown", errno);
            return ended(errno);
        }
        char byte = 0;
        const auto got = ::recv(socket.get(), &byte, 1, 0);
        if (got > 0)
            throw std::runtime_error("more bytes than were sent");
        if (got < 0) {
            expect_clean("recv after shutdown", errno);
            return ended(errno);
        }
    }
    ++sum.whole;
    return true;
}

void check(std::uint32_t cid, unsigned count) {
    totals sum;
    for (unsigned i = 0; i < count; ++i)
        if (!session(cid, i % 4 == 3 ? std::uint64_t{4} << 20U : 5000, i % 2 == 0, sum)) {
            sum.print("check");
            throw std::runtime_error("a connection without faults failed");
        }
    sum.print("check");
}

void nth(std::uint32_t cid) {
    constexpr unsigned most = 1000; // allocations of one connection
    totals sum;
    unsigned faults = 0;
    const fault_file file("fail-nth");
    for (const std::uint64_t size : {std::uint64_t{1}, std::uint64_t{2} << 20U}) {
        unsigned n = 1;
        for (bool reached = true; reached; ++n) {
            if (n > most)
                throw std::runtime_error("one connection makes more allocations than can be");
            file.write(n);
            session(cid, size, n % 2 == 0, sum);
            reached = file.read() == 0;
            file.write(0);
            faults += reached ? 1 : 0;
            totals healthy;
            if (!session(cid, 1, true, healthy))
                throw std::runtime_error("no connection after allocation " + std::to_string(n) + " failed");
        }
        std::printf("a connection that moves %llu bytes has %u allocations\n",
                    static_cast<unsigned long long>(size), n - 2);
    }
    std::printf("faults=%u ", faults);
    sum.print("nth");
    if (faults == 0)
        throw std::runtime_error("no fault was injected: is this the debug kernel?");
}

void random_sessions(std::uint32_t cid, unsigned seconds, unsigned count) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    totals sum;
    std::mutex lock;
    std::atomic<int> failed = 0;
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < count; ++i)
        threads.emplace_back([&, i] {
            totals mine;
            try {
                const fault_file file("make-it-fail");
                std::mt19937 choice(i);
                static constexpr std::array<std::uint64_t, 6> sizes{1, 100, 5000, 70000, 1 << 20, 4 << 20};
                while (std::chrono::steady_clock::now() < end) {
                    const auto size = sizes[choice() % sizes.size()];
                    const bool half_close = choice() % 2 == 0;
                    const failing now(&file);
                    if (!session(cid, size, half_close, mine))
                        ::usleep(1000); // a peer that is gone answers at once
                }
            } catch (const std::exception& error) {
                std::fprintf(stderr, "thread %u: %s\n", i, error.what());
                ++failed;
            }
            const std::lock_guard<std::mutex> held(lock);
            sum.add(mine);
        });
    for (auto& thread : threads)
        thread.join();
    sum.print("random");
    if (failed > 0)
        throw std::runtime_error(std::to_string(failed) + " threads failed");
}

void serve_one(const descriptor& client) {
    const fault_file file("make-it-fail");
    std::vector<std::uint8_t> buffer(block);
    const failing now(&file);
    for (;;) {
        const auto got = ::recv(client.get(), buffer.data(), buffer.size(), 0);
        if (got < 0 && (errno == ENOMEM || errno == EINTR))
            continue;
        if (got < 0)
            expect_clean("recv", errno);
        if (got <= 0)
            return;
        for (ssize_t done = 0; done < got;) {
            const auto sent = ::send(client.get(), buffer.data() + done, static_cast<std::size_t>(got - done),
                                     MSG_NOSIGNAL);
            if (sent < 0 && (errno == ENOMEM || errno == ENOBUFS || errno == EINTR))
                continue;
            if (sent < 0) {
                expect_clean("send", errno);
                return;
            }
            done += sent;
        }
    }
}

[[noreturn]] void serve() {
    const auto listener = listen_on(port, 128);
    std::puts("serving");
    std::fflush(stdout);
    const fault_file file("make-it-fail");
    for (;;) {
        descriptor client;
        int error = 0;
        {
            const failing now(&file);
            client = descriptor{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
            error = errno;
        }
        if (client.get() < 0) {
            expect_clean("accept", error);
            continue;
        }
        std::thread([client = std::move(client)] {
            try {
                serve_one(client);
            } catch (const std::exception& problem) {
                std::fprintf(stderr, "vsock-faults: FAILED: %s\n", problem.what());
                std::fflush(stderr);
            }
        }).detach();
    }
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    const auto number = [&](std::size_t i) { return static_cast<unsigned>(std::stoul(words.at(i))); };
    try {
        if (words.at(0) == "serve")
            serve();
        const auto cid = number(0);
        const auto& what = words.at(1);
        if (what == "nth")
            nth(cid);
        else if (what == "random")
            random_sessions(cid, number(2), number(3));
        else if (what == "check")
            check(cid, number(2));
        else
            throw std::invalid_argument("what is " + what + "?");
        return 0;
    } catch (const std::logic_error&) {
        std::fprintf(stderr,
                     "usage: vsock-faults serve | CID nth | CID random SECONDS COUNT | CID check COUNT\n");
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "vsock-faults: %s\n", error.what());
        return 1;
    }
}
