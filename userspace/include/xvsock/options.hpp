// SPDX-License-Identifier: MIT
/// The socket options of AF_VSOCK, for set_option() and get_option() of stream_protocol's sockets and
/// acceptors.
///
/// An accepted socket has its acceptor's buffer sizes. Defined in linux/vm_sockets.h and
/// net/vmw_vsock/af_vsock.c.
#pragma once

#include "xvsock/endpoint.hpp"

#include <chrono>
#include <cstdint>
#include <sys/time.h>

namespace xvsock {

namespace detail {

/// An option whose value is 64 bits wide.
template <int Name> class size_option {
public:
    size_option() noexcept = default;
    explicit size_option(std::uint64_t bytes) noexcept : bytes_(bytes) {}

    std::uint64_t value() const noexcept { return bytes_; }

    template <typename Protocol> int level(const Protocol&) const noexcept { return AF_VSOCK; }
    template <typename Protocol> int name(const Protocol&) const noexcept { return Name; }
    template <typename Protocol> void* data(const Protocol&) noexcept { return &bytes_; }
    template <typename Protocol> const void* data(const Protocol&) const noexcept { return &bytes_; }
    template <typename Protocol> std::size_t size(const Protocol&) const noexcept { return sizeof bytes_; }

    template <typename Protocol> void resize(const Protocol&, std::size_t size) const {
        if (size != sizeof bytes_)
            throw boost::system::system_error(boost::asio::error::invalid_argument,
                                              "size of a socket option");
    }

private:
    std::uint64_t bytes_ = 0;
};

} // namespace detail

/// Bytes that a direction's ring may hold. Before connect() and listen() it decides the largest ring,
/// afterwards it caps what may be unread. The kernel keeps it between the two limits below.
using buffer_size = detail::size_option<SO_VM_SOCKETS_BUFFER_SIZE>;
using buffer_min_size = detail::size_option<SO_VM_SOCKETS_BUFFER_MIN_SIZE>;
using buffer_max_size = detail::size_option<SO_VM_SOCKETS_BUFFER_MAX_SIZE>;

/// How long a connect may take before it fails with timed_out; 2 s unless set, and again for 0. To
/// microseconds.
class connect_timeout {
public:
    connect_timeout() noexcept = default;

    explicit connect_timeout(std::chrono::microseconds time) noexcept
        : time_{.tv_sec = static_cast<time_t>(time.count() / 1'000'000),
                .tv_usec = static_cast<suseconds_t>(time.count() % 1'000'000)} {}

    std::chrono::microseconds value() const noexcept {
        return std::chrono::seconds(time_.tv_sec) + std::chrono::microseconds(time_.tv_usec);
    }

    template <typename Protocol> int level(const Protocol&) const noexcept { return AF_VSOCK; }
    template <typename Protocol> int name(const Protocol&) const noexcept {
        return SO_VM_SOCKETS_CONNECT_TIMEOUT;
    }
    template <typename Protocol> void* data(const Protocol&) noexcept { return &time_; }
    template <typename Protocol> const void* data(const Protocol&) const noexcept { return &time_; }
    template <typename Protocol> std::size_t size(const Protocol&) const noexcept { return sizeof time_; }

    template <typename Protocol> void resize(const Protocol&, std::size_t size) const {
        if (size != sizeof time_)
            throw boost::system::system_error(boost::asio::error::invalid_argument,
                                              "size of a socket option");
    }

private:
    timeval time_{};
};

} // namespace xvsock
