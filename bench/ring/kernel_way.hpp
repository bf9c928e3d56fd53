// SPDX-License-Identifier: MIT
// The ways that the kernel has: pipes, a Unix socket, TCP over loopback. Each byte is copied into the kernel
// and out of it, and each call is a system call.
#pragma once

#include "way.hpp"

#include <array>

namespace xvsock::bench {

enum class kernel_kind { pipe, unix_socket, loopback_tcp };

class kernel_way {
public:
    kernel_way(kernel_kind kind, waiting how);
    kernel_way(kernel_way&& other) noexcept;
    kernel_way(const kernel_way&) = delete;
    kernel_way& operator=(const kernel_way&) = delete;
    kernel_way& operator=(kernel_way&&) = delete;
    ~kernel_way();

    void settle(side which, pid_t peer);
    void send(const_bytes data) const;
    void receive(bytes data) const;

private:
    struct end {
        int reads = -1;
        int writes = -1;
    };

    std::array<end, 2> ends_; // of the parent, of the child
    end own_;
};

} // namespace xvsock::bench
