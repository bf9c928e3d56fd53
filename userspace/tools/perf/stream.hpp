// SPDX-License-Identifier: MIT
/// Stream sockets of all three families, with plain blocking system calls.
#pragma once

#include "perf/address.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include <sys/socket.h>

namespace xvsock::perf {

class supervisor;

/// A file descriptor that is closed once.
class unique_fd {
public:
    explicit unique_fd(int fd = -1) : fd_(fd) {}
    unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}
    unique_fd& operator=(unique_fd&& other) noexcept;
    ~unique_fd();

    int get() const { return fd_; }
    int release();

private:
    int fd_;
};

/// The connection broke, ended too early, or was ended by a supervisor.
class connection_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A connected stream socket. One thread may send while another receives; interrupt() may be called by any
/// thread.
class stream {
public:
    enum class end_cause : int { none, stopped, stalled, failed };

    /// On TCP, sets TCP_NODELAY unless `no_delay` is false.
    stream(unique_fd socket, address_family family, bool no_delay = true);

    /// Blocks until all bytes are handed to the kernel. Throws connection_error.
    void send_all(const std::byte* data, std::size_t size);

    /// Blocks until exactly `size` bytes have come. Throws connection_error, also when the peer closes
    /// before.
    void receive_all(std::byte* data, std::size_t size);

    /// Blocks until some bytes have come, at most `size`, and returns how many; 0 when the peer has closed
    /// its end. Throws connection_error.
    std::size_t receive_some(std::byte* data, std::size_t size);

    /// Bytes moved so far; both may be read by any thread.
    std::uint64_t sent() const { return sent_.load(std::memory_order_relaxed); }
    std::uint64_t received() const { return received_.load(std::memory_order_relaxed); }

    /// Makes the calls that block in this stream, and all later ones, fail. The first cause is the one
    /// reported.
    void interrupt(end_cause cause) noexcept;

    /// TCP_NODELAY on TCP, which is on at first and whose setting sends what was held back; nothing on the
    /// other families, which do not delay.
    void set_no_delay(bool enabled);

    /// The peer's address as the kernel reports it.
    std::string peer_name() const;

private:
    friend class listener;
    friend class side_door;

    [[noreturn]] void fail(const char* operation, int error) const;
    [[noreturn]] void fail_closed() const;

    // Each counter has one writer, so a load and a store are enough and cost no locked instruction.
    static void add(std::atomic<std::uint64_t>& counter, std::size_t size) {
        counter.store(counter.load(std::memory_order_relaxed) + size, std::memory_order_relaxed);
    }

    unique_fd socket_;
    address_family family_;
    std::atomic<std::uint64_t> sent_{0};
    std::atomic<std::uint64_t> received_{0};
    std::atomic<end_cause> end_cause_{end_cause::none};
};

inline void stream::send_all(const std::byte* data, std::size_t size) {
    while (size != 0) {
        const ssize_t moved = ::send(socket_.get(), data, size, MSG_NOSIGNAL);
        if (moved < 0) {
            if (errno == EINTR)
                continue;
            fail("send", errno);
        }
        add(sent_, std::size_t(moved));
        data += moved;
        size -= std::size_t(moved);
    }
}

inline std::size_t stream::receive_some(std::byte* data, std::size_t size) {
    for (;;) {
        const ssize_t moved = ::recv(socket_.get(), data, size, 0);
        if (moved > 0) [[likely]] {
            add(received_, std::size_t(moved));
            return std::size_t(moved);
        }
        if (moved == 0 && end_cause_.load() == end_cause::none)
            return 0;
        if (moved == 0 || errno != EINTR) // an interrupted stream ends like one that the peer has closed
            fail("receive", moved == 0 ? ECONNRESET : errno);
    }
}

inline void stream::receive_all(std::byte* data, std::size_t size) {
    while (size != 0) {
        const std::size_t moved = receive_some(data, size);
        if (moved == 0)
            fail_closed();
        data += moved;
        size -= moved;
    }
}

struct connect_options {
    std::chrono::nanoseconds timeout = std::chrono::seconds(30); ///< of one attempt
    std::chrono::nanoseconds wait{0}; ///< how long to try again while nobody listens yet
    std::uint64_t buffer = 0;         ///< socket buffer in bytes, 0 for the kernel's default
};

/// Connects, blocking for at most the options' times. Throws connection_error with the likely cause; stops
/// early when `watcher` is told to stop.
stream connect_to(const address& where, const connect_options& options, const supervisor& watcher);

class listener {
public:
    /// Binds and listens. A socket file that a dead server left behind is replaced. Throws connection_error.
    explicit listener(const address& where, std::uint64_t buffer = 0);
    /// Listens at the address of this end of a session, on a port that the kernel chooses.
    explicit listener(const stream& session);
    ~listener();
    listener(const listener&) = delete;
    listener& operator=(const listener&) = delete;

    /// What clients connect to; says the port that the kernel chose.
    const std::string& name() const { return name_; }
    std::uint32_t port() const { return port_; }

    /// Blocks until a client comes, or until `watcher` is told to stop or something comes on `session`: then
    /// std::nullopt. Running out of file descriptors or memory is waited out. Throws connection_error when
    /// the listening socket itself fails.
    std::optional<unique_fd> accept(const supervisor& watcher, const stream* session = nullptr);

    address_family family() const { return where_.family; }

private:
    void take_names();

    unique_fd socket_;
    address where_;
    std::string name_;
    std::uint32_t port_ = 0;
};

/// What a listener that was made from a session is at the session's other end.
class side_door {
public:
    side_door(const stream& session, std::uint32_t port, std::chrono::nanoseconds timeout);

    /// One attempt, with no system call beside socket(), the time limit's and connect(): it is measured.
    /// Throws connection_error.
    stream connect() const;

private:
    address_family family_;
    sockaddr_storage storage_{};
    socklen_t length_ = sizeof storage_;
    std::chrono::nanoseconds timeout_;
};

} // namespace xvsock::perf
