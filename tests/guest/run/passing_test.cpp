// SPDX-License-Identifier: MIT
// Connections that are passed over a Unix socket.
#include "arguments.hpp"
#include "passing.hpp"
#include "run_test.hpp"

#include <fcntl.h>
#include <spawn.h>

namespace xvsock::guest {
namespace {

using RunPassing = Run;
XVSOCK_BOTH_WAYS(RunPassing);

TEST_P(RunPassing, KnowsAConnection) {
    const auto socket = connected(GetParam(), run_echo);
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const descriptor near(ends[0]);
    const descriptor far(ends[1]);
    ASSERT_EQ(::fcntl(far.get(), F_SETFD, 0), 0);
    const words arguments{"run-test", "receives", std::to_string(far.get()), address_of(GetParam())};
    pid_t child = -1;
    ASSERT_EQ(::posix_spawn(&child, self, nullptr, nullptr, arguments.get(), environ), 0);
    ASSERT_TRUE(send_descriptor(near.get(), socket.get()));
    EXPECT_EQ(wait_for(child), 0);
    // And to ourselves, with the call for several messages.
    ASSERT_TRUE(send_descriptor(near.get(), socket.get()));
    passing_message message;
    mmsghdr several{message.header, 0};
    ASSERT_EQ(::recvmmsg(far.get(), &several, 1, 0, nullptr), 1);
    const descriptor received(descriptor_in(several.msg_hdr));
    must_echo(received.get());
    EXPECT_EQ(name_by(::getpeername, received), std::pair(address_of(GetParam()), std::uint16_t{run_echo}));
}

} // namespace
} // namespace xvsock::guest
