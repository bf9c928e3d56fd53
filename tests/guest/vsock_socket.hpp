// SPDX-License-Identifier: MIT
// The little that the guest programs need around a raw AF_VSOCK socket.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

namespace xvsock::guest {

// Ports of vsock-services, from this one on.
enum service : std::uint32_t {
    echo = 7000, // gives back what it gets; at the end of input closes
    source,      // reads a 64-bit count, sends that many bytes of pattern(), closes at once
    count,       // reads to the end of input, then sends the 64-bit count and sum of the bytes
    hang_up,     // closes every connection at once
    no_accept,   // has a backlog of 1 and never accepts
    no_read,     // accepts, and reads nothing until the client closes
    remote,      // remote_protocol.hpp
    nobody,      // nobody listens here
};

// The byte at this position of the test stream.
constexpr std::uint8_t pattern(std::uint64_t position) {
    return static_cast<std::uint8_t>((position * 2654435761U) >> 13U);
}

class descriptor {
public:
    descriptor() = default;
    explicit descriptor(int fd) : fd_(fd) {}
    descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    descriptor& operator=(descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor() { close(); }

    void close() {
        if (fd_ >= 0)
            ::close(std::exchange(fd_, -1));
    }
    [[nodiscard]] int get() const { return fd_; }

private:
    int fd_ = -1;
};

inline sockaddr_vm address(std::uint32_t cid, std::uint32_t port) {
    sockaddr_vm result{};
    result.svm_family = AF_VSOCK;
    result.svm_cid = cid;
    result.svm_port = port;
    return result;
}

inline descriptor make_socket(int flags = 0) {
    descriptor result{::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)};
    if (result.get() < 0)
        throw std::system_error(errno, std::generic_category(), "socket(AF_VSOCK)");
    return result;
}

// 0, or the errno.
inline int try_connect(int fd, std::uint32_t cid, std::uint32_t port) {
    const auto to = address(cid, port);
    return ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 ? 0 : errno;
}

inline descriptor listen_on(std::uint32_t port, int backlog) {
    auto result = make_socket();
    const auto at = address(VMADDR_CID_ANY, port);
    if (::bind(result.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
        ::listen(result.get(), backlog) != 0)
        throw std::system_error(errno, std::generic_category(), "listening on port " + std::to_string(port));
    return result;
}

// False when the peer went away first.
inline bool send_all(int fd, const void* data, std::size_t size) {
    const auto* from = static_cast<const char*>(data);
    while (size > 0) {
        const auto sent = ::send(fd, from, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        from += sent;
        size -= static_cast<std::size_t>(sent);
    }
    return true;
}

// Bytes received before the end of input, an error, or `size`.
inline std::size_t receive_all(int fd, void* data, std::size_t size) {
    std::size_t done = 0;
    while (done < size) {
        const auto got = ::recv(fd, static_cast<char*>(data) + done, size - done, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += static_cast<std::size_t>(got);
    }
    return done;
}

// Up to the end of the line, which is not in it, or of input.
inline std::string receive_line(int fd) {
    std::string line;
    for (char c = 0; receive_all(fd, &c, 1) == 1 && c != '\n';)
        line += c;
    return line;
}

// A variable of the testbed, like CID_g1; throws when it is not set.
inline std::string variable(const std::string& name) {
    const char* const value = std::getenv(name.c_str());
    if (value == nullptr)
        throw std::runtime_error(name + " is not set: this program runs in a scenario of the testbed");
    return value;
}

} // namespace xvsock::guest
