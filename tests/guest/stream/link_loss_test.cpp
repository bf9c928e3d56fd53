// SPDX-License-Identifier: MIT
// The link to the server's domain goes, and comes back: what each call says. Run by itself, with the
// commands that do it in the environment variables CUT_LINK and JOIN_LINK.
#include "stream_test.hpp"

#include <array>
#include <cstdlib>
#include <thread>

namespace xvsock::guest {
namespace {

void run_command(const char* variable) {
    const char* command = std::getenv(variable);
    ASSERT_NE(command, nullptr) << variable << " is not set";
    ASSERT_EQ(std::system(command), 0) << command; // NOLINT: the scenario's own
}

// Sockets in every state, before the cut; what becomes of them, after it.
TEST(LinkLoss, IsToldToEverybodyAndOver) {
    std::array<remote_end, 2> remotes;
    auto& remote = remotes[0];
    auto reading = make_pair(remote, role::initiator, {}, 1);
    auto writing = make_pair(remote, role::acceptor, {}, 2);
    auto idle = make_pair(remote, role::acceptor, {}, 3);
    auto unread = make_pair(remote, role::initiator, {}, 4);
    auto ended = make_pair(remote, role::initiator, {}, 5);
    auto ended_too = make_pair(remote, role::acceptor, {}, 6);
    for (const std::uint32_t slot : {4, 5, 6})
        remote.send(1000, 0, slot);
    for (const std::uint32_t slot : {5, 6})
        remote.close(slot);
    for (const int fd : {ended.get(), ended_too.get()})
        ASSERT_TRUE(poll_for(fd, POLLRDHUP));
    ASSERT_TRUE(poll_for(unread.get(), POLLIN));
    fill(writing.get());
    const auto listener = listen_anywhere();
    const auto silent = remotes[1].listen();
    ASSERT_EQ(remotes[1].run(remote_op::lock, {.slot = remote_end::listener}).result, 0);

    std::jthread reader([&] {
        char byte = 0;
        EXPECT_EQ(::recv(reading.get(), &byte, 1, 0), -1);
        EXPECT_EQ(errno, ECONNRESET);
    });
    std::jthread writer([&] {
        EXPECT_EQ(::send(writing.get(), "x", 1, MSG_NOSIGNAL), -1);
        EXPECT_EQ(errno, ECONNRESET);
    });
    auto connecting = make_socket();
    std::jthread connector([&] {
        ASSERT_EQ(set_option(connecting.get(), AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, to_timeval(30s)), 0);
        EXPECT_EQ(try_connect(connecting.get(), server_cid, silent), ECONNRESET);
    });
    std::jthread poller(
        [&] { EXPECT_EQ(poll_events(idle.get(), POLLIN | POLLRDHUP, 30000), POLLIN | POLLRDHUP | POLLERR); });
    std::this_thread::sleep_for(200ms);
    run_command("CUT_LINK");
    for (auto* thread : {&reader, &writer, &connector, &poller})
        thread->join();

    EXPECT_EQ(socket_error(idle.get()), ECONNRESET);
    EXPECT_EQ(socket_error(idle.get()), 0) << "SO_ERROR is told once";
    expect_end(idle.get());
    EXPECT_EQ(::send(idle.get(), "x", 1, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, EPIPE);
    // What was sent before an orderly end is readable all the same.
    for (const int fd : {ended.get(), ended_too.get()}) {
        expect_pattern(fd, 1000);
        expect_end(fd);
    }
    // The rest is the broken connection's. The others may have been told first.
    ASSERT_TRUE(poll_for(unread.get(), POLLERR));
    char byte = 0;
    EXPECT_EQ(::recv(unread.get(), &byte, 1, 0), -1);
    EXPECT_EQ(errno, ECONNRESET);
    EXPECT_EQ(try_connect(connecting.get(), server_cid, service::echo), no_link_error());
    auto other = make_socket(SOCK_NONBLOCK);
    EXPECT_EQ(try_connect(other.get(), server_cid, service::echo), no_link_error());

    run_command("JOIN_LINK");
    int error = no_link_error();
    for (int i = 0; i < 100 && error == no_link_error(); ++i) {
        std::this_thread::sleep_for(50ms);
        error = try_connect(connecting.get(), server_cid, service::echo);
    }
    ASSERT_EQ(error, 0) << std::strerror(error);
    expect_echo(connecting.get(), 100000, 1);
    // The listener has seen nothing of it all.
    remote_end again;
    EXPECT_EQ(again.run(remote_op::connect, {.position = port_of(listener.get())}).result, 0);
    const descriptor accepted{::accept(listener.get(), nullptr, nullptr)};
    again.send(1000);
    expect_pattern(accepted.get(), 1000);
}

} // namespace
} // namespace xvsock::guest
