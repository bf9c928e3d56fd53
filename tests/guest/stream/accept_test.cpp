// SPDX-License-Identifier: MIT
// The listening side: accept(), and the addresses of both ends.
#include "stream_test.hpp"

#include <array>
#include <mutex>
#include <set>
#include <thread>

#include <fcntl.h>
#include <sys/wait.h>

namespace xvsock::guest {
namespace {

int bind_to(int fd, std::uint32_t cid, std::uint32_t port) {
    const auto at = address(cid, port);
    return ::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0 ? 0 : errno;
}

// The remote end connects to this listener of ours.
void have_it_connect(remote_end& remote, int listener, std::uint32_t slot = 0) {
    const auto answer = remote.run(remote_op::connect, {.slot = slot, .position = port_of(listener)});
    ASSERT_EQ(answer.result, 0) << std::strerror(answer.error);
}

TEST(Accept, TakesTheFlagsOfAccept4) {
    remote_end remote;
    const auto listener = listen_anywhere();
    for (const int flags :
         std::initializer_list<int>{0, SOCK_NONBLOCK, SOCK_CLOEXEC, SOCK_NONBLOCK | SOCK_CLOEXEC}) {
        have_it_connect(remote, listener.get());
        const descriptor socket{::accept4(listener.get(), nullptr, nullptr, flags)};
        ASSERT_GE(socket.get(), 0) << std::strerror(errno);
        EXPECT_EQ((::fcntl(socket.get(), F_GETFL) & O_NONBLOCK) != 0, (flags & SOCK_NONBLOCK) != 0);
        EXPECT_EQ((::fcntl(socket.get(), F_GETFD) & FD_CLOEXEC) != 0, (flags & SOCK_CLOEXEC) != 0);
        if ((flags & SOCK_NONBLOCK) != 0) {
            char byte = 0;
            EXPECT_EQ(::recv(socket.get(), &byte, 1, 0), -1);
            EXPECT_EQ(errno, EAGAIN);
        }
    }
}

TEST(Accept, DoesNotWaitUnlessItMay) {
    remote_end remote;
    const auto listener = listen_anywhere();
    set_blocking(listener.get(), false);
    EXPECT_EQ(::accept(listener.get(), nullptr, nullptr), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(poll_events(listener.get(), POLLIN, 0), 0);
    have_it_connect(remote, listener.get());
    EXPECT_EQ(poll_events(listener.get(), POLLIN), POLLIN);
    const descriptor socket{::accept(listener.get(), nullptr, nullptr)};
    EXPECT_GE(socket.get(), 0) << std::strerror(errno);
    EXPECT_EQ(poll_events(listener.get(), POLLIN, 0), 0);
}

TEST(Accept, EndsAfterItsTime) {
    const auto listener = listen_anywhere();
    ASSERT_EQ(set_option(listener.get(), SOL_SOCKET, SO_RCVTIMEO, to_timeval(200ms)), 0);
    const auto before = steady::now();
    EXPECT_EQ(::accept(listener.get(), nullptr, nullptr), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_GE(steady::now() - before, 150ms); // jiffies may lag behind the clock
}

// Every connection is taken by exactly one of the threads that wait for any.
TEST(Accept, BySeveralThreads) {
    constexpr std::uint32_t connections = 40;
    const auto listener = listen_anywhere();
    std::mutex mutex;
    std::set<std::uint32_t> ports;
    std::size_t accepted = 0;
    std::array<std::jthread, 4> threads;
    for (auto& thread : threads)
        thread = std::jthread([&] {
            for (;;) {
                sockaddr_vm peer{};
                socklen_t size = sizeof peer;
                const descriptor socket{::accept(listener.get(), reinterpret_cast<sockaddr*>(&peer), &size)};
                EXPECT_GE(socket.get(), 0) << std::strerror(errno);
                std::array<char, 4> word{};
                // The last ones say that it is over.
                const bool last = receive_all(socket.get(), word.data(), 4) == 0;
                const std::lock_guard lock(mutex);
                ports.insert(peer.svm_port);
                ++accepted;
                if (last)
                    return;
            }
        });
    remote_end remote;
    for (std::uint32_t i = 0; i < connections; ++i) {
        have_it_connect(remote, listener.get(), i);
        remote.send(4, 0, i);
    }
    for (std::size_t i = 0; i < threads.size(); ++i) {
        have_it_connect(remote, listener.get(), 60);
        remote.close(60);
    }
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(accepted, connections + threads.size());
    EXPECT_EQ(ports.size(), connections + threads.size());
}

TEST(Address, BothEndsAgree) {
    remote_end remote;
    const auto port = remote.listen();
    auto ours = make_socket();
    ASSERT_EQ(bind_to(ours.get(), VMADDR_CID_ANY, VMADDR_PORT_ANY), 0);
    const auto bound = port_of(ours.get());
    ASSERT_EQ(try_connect(ours.get(), server_cid, port), 0);
    remote.accept();
    EXPECT_EQ(port_of(ours.get()), bound);
    EXPECT_EQ(peer_of(ours.get()).svm_family, AF_VSOCK);
    EXPECT_EQ(peer_of(ours.get()).svm_cid, server_cid);
    EXPECT_EQ(peer_of(ours.get()).svm_port, port);
    const auto theirs = remote.run(remote_op::names);
    EXPECT_EQ(theirs.cid, server_cid);
    EXPECT_EQ(theirs.port, port);
    EXPECT_EQ(theirs.peer_cid, local_cid());
    EXPECT_EQ(theirs.peer_port, bound);
}

TEST(Address, OfAnAcceptedSocket) {
    remote_end remote;
    const auto listener = listen_anywhere();
    have_it_connect(remote, listener.get());
    sockaddr_vm peer{};
    socklen_t size = sizeof peer;
    const descriptor socket{::accept(listener.get(), reinterpret_cast<sockaddr*>(&peer), &size)};
    EXPECT_EQ(size, sizeof peer);
    EXPECT_EQ(peer.svm_cid, server_cid);
    EXPECT_EQ(name_of(socket.get()).svm_cid, local_cid());
    EXPECT_EQ(name_of(socket.get()).svm_port, port_of(listener.get()));
    EXPECT_EQ(peer_of(socket.get()).svm_cid, server_cid);
    EXPECT_EQ(peer_of(socket.get()).svm_port, peer.svm_port);
    const auto theirs = remote.run(remote_op::names);
    EXPECT_EQ(theirs.port, peer.svm_port);
    EXPECT_EQ(theirs.peer_port, port_of(listener.get()));
}

TEST(Address, OfASocketThatHasNone) {
    const auto socket = make_socket();
    EXPECT_EQ(name_of(socket.get()).svm_port, VMADDR_PORT_ANY);
    sockaddr_vm peer{};
    socklen_t size = sizeof peer;
    EXPECT_EQ(::getpeername(socket.get(), reinterpret_cast<sockaddr*>(&peer), &size), -1);
    EXPECT_EQ(errno, ENOTCONN);
}

TEST(Bind, RefusesWhatIsInUse) {
    const auto listener = listen_anywhere();
    const auto port = port_of(listener.get());
    const auto other = make_socket();
    EXPECT_EQ(bind_to(other.get(), VMADDR_CID_ANY, port), EADDRINUSE);
    EXPECT_EQ(bind_to(other.get(), local_cid(), port), EADDRINUSE);
    EXPECT_EQ(bind_to(other.get(), VMADDR_CID_ANY, VMADDR_PORT_ANY), 0);
    EXPECT_NE(port_of(other.get()), port);
    EXPECT_EQ(bind_to(other.get(), VMADDR_CID_ANY, VMADDR_PORT_ANY), EINVAL) << "it has an address";
}

TEST(Bind, FreesThePortWithTheSocket) {
    const auto port = port_of(listen_anywhere().get());
    const auto again = make_socket();
    EXPECT_EQ(bind_to(again.get(), VMADDR_CID_ANY, port), 0);
}

TEST(Bind, OnlyToOwnAddresses) {
    const auto socket = make_socket();
    EXPECT_EQ(bind_to(socket.get(), server_cid, VMADDR_PORT_ANY), EADDRNOTAVAIL);
    EXPECT_EQ(bind_to(socket.get(), local_cid(), VMADDR_PORT_ANY), 0);
    EXPECT_EQ(::listen(socket.get(), 1), 0);
    remote_end remote;
    have_it_connect(remote, socket.get());
}

TEST(Bind, NeedsAnAddressOfItsFamily) {
    const auto socket = make_socket();
    auto at = address(VMADDR_CID_ANY, VMADDR_PORT_ANY);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at - 1), -1);
    EXPECT_EQ(errno, EINVAL);
    at.svm_family = AF_INET;
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), -1);
    EXPECT_EQ(errno, EINVAL); // of any other family, says the core
    EXPECT_EQ(::listen(socket.get(), 1), -1) << "it has no address";
    EXPECT_EQ(errno, EINVAL);
}

// Ports below 1024 are root's.
TEST(Bind, PrivilegedPortsNeedPrivilege) {
    constexpr std::uint32_t free_port = 1023;
    const auto child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        constexpr uid_t nobody = 65534;
        const auto socket = make_socket();
        const bool as_expected = ::setresuid(nobody, nobody, nobody) == 0 &&
                                 bind_to(socket.get(), VMADDR_CID_ANY, free_port) == EACCES &&
                                 bind_to(socket.get(), VMADDR_CID_ANY, VMADDR_PORT_ANY) == 0 &&
                                 try_connect(socket.get(), server_cid, service::echo) == 0;
        ::_exit(as_expected ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    const auto socket = make_socket();
    ASSERT_EQ(bind_to(socket.get(), VMADDR_CID_ANY, free_port), 0);
    ASSERT_EQ(::listen(socket.get(), 1), 0);
    remote_end remote;
    have_it_connect(remote, socket.get());
}

TEST(Bind, AnyPortIsNeitherPrivilegedNorTaken) {
    std::set<std::uint32_t> ports;
    std::vector<descriptor> listeners;
    for (int i = 0; i < 100; ++i) {
        listeners.push_back(listen_anywhere());
        const auto port = port_of(listeners.back().get());
        EXPECT_GE(port, 1024U);
        EXPECT_NE(port, VMADDR_PORT_ANY);
        EXPECT_TRUE(ports.insert(port).second);
    }
}

// The own CID is another transport's business, vsock_loopback's, which the core takes if it is loaded.
// Without it a guest has no way there, and dom0 no transport that would be one.
TEST(Loopback, IsNotOurs) {
    auto socket = make_socket();
    const auto listener = listen_anywhere();
    const int error = try_connect(socket.get(), local_cid(), port_of(listener.get()));
    const int without = local_cid() == VMADDR_CID_HOST ? ENODEV : no_link_error();
    const bool loopback = ::access("/sys/module/vsock_loopback", F_OK) == 0;
    EXPECT_EQ(error, loopback ? 0 : without) << std::strerror(error);
    // Whatever that was, the socket is as good as new.
    if (error != 0) {
        ASSERT_EQ(try_connect(socket.get(), server_cid, service::echo), 0);
        expect_echo(socket.get(), 100, 1);
    }
}

TEST(Loopback, ReservedCidsAreNobody) {
    const int expected = local_cid() == VMADDR_CID_HOST ? ENODEV : ENETUNREACH;
    if (::access("/sys/module/vsock_loopback", F_OK) != 0) {
        EXPECT_EQ(try_connect(make_socket().get(), VMADDR_CID_LOCAL, 1), expected);
    }
    EXPECT_EQ(try_connect(make_socket().get(), VMADDR_CID_HYPERVISOR, 1), expected);
    EXPECT_EQ(try_connect(make_socket().get(), VMADDR_CID_ANY, 1), ENETUNREACH);
}

} // namespace
} // namespace xvsock::guest
