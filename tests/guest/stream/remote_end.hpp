// SPDX-License-Identifier: MIT
// The commander of a process in the server's domain, see remote_protocol.hpp.
#pragma once

#include "remote_protocol.hpp"
#include "vsock_socket.hpp"

namespace xvsock::guest {

struct remote_arguments {
    std::uint32_t slot = 0;
    std::uint64_t size = 0;
    std::uint64_t position = 0;
    std::int64_t number = 0;
};

class remote_end {
public:
    static constexpr std::uint32_t listener = 63; // the slot that make_pair() listens on

    remote_end();

    // begin() and finish() leave time to do the other half; run() does both.
    void begin(remote_op op, const remote_arguments& arguments = {});
    remote_answer finish();
    remote_answer run(remote_op op, const remote_arguments& arguments = {}) {
        begin(op, arguments);
        return finish();
    }

    // The commonest, which expect success.
    std::uint32_t listen(int backlog = 16, std::uint32_t slot = listener);
    void accept(std::uint32_t slot = 0, std::uint32_t from = listener);
    void send(std::uint64_t size, std::uint64_t position = 0, std::uint32_t slot = 0);
    void expect(std::uint64_t size, std::uint64_t position = 0, std::uint32_t slot = 0);
    // Everything up to an orderly end is the pattern, and this much.
    void expect_rest(std::uint64_t size, std::uint64_t position = 0, std::uint32_t slot = 0);
    void shut(int how, std::uint32_t slot = 0);
    void close(std::uint32_t slot = 0);
    void die(); // by SIGKILL, also in the middle of a command; its sockets are closed when this returns

private:
    descriptor control_;
    std::int64_t pid_;
};

} // namespace xvsock::guest
