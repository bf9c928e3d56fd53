// SPDX-License-Identifier: MIT
#include "stream_test.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>

namespace xvsock::guest {

std::uint32_t server_cid = 0;

bool linux_is(unsigned major, unsigned minor) {
    utsname name{};
    unsigned running_major = 0;
    unsigned running_minor = 0;
    ::uname(&name);
    EXPECT_EQ(std::sscanf(name.release, "%u.%u", &running_major, &running_minor), 2) << name.release;
    return std::pair(running_major, running_minor) >= std::pair(major, minor);
}

std::uint32_t local_cid() {
    const descriptor device{::open("/dev/vsock", O_RDONLY | O_CLOEXEC)};
    std::uint32_t cid = 0;
    EXPECT_EQ(::ioctl(device.get(), IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid), 0);
    return cid;
}

int no_link_error() {
    return linux_is(7, 0) && local_cid() != VMADDR_CID_HOST ? ENODEV : EHOSTUNREACH;
}

int connect_patiently(int fd, std::uint32_t port) {
    int error = EINTR;
    for (int i = 0; i < 10 && error == EINTR; ++i)
        error = try_connect(fd, server_cid, port);
    return error;
}

descriptor connect_to(std::uint32_t port) {
    auto result = make_socket();
    const int error = connect_patiently(result.get(), port);
    EXPECT_EQ(error, 0) << std::strerror(error) << ", connecting to port " << port;
    return result;
}

descriptor listen_anywhere(int backlog) {
    return listen_on(VMADDR_PORT_ANY, backlog);
}

sockaddr_vm name_of(int fd) {
    sockaddr_vm result{};
    socklen_t size = sizeof result;
    EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&result), &size), 0) << std::strerror(errno);
    EXPECT_EQ(size, sizeof result);
    return result;
}

sockaddr_vm peer_of(int fd) {
    sockaddr_vm result{};
    socklen_t size = sizeof result;
    EXPECT_EQ(::getpeername(fd, reinterpret_cast<sockaddr*>(&result), &size), 0) << std::strerror(errno);
    EXPECT_EQ(size, sizeof result);
    return result;
}

std::uint32_t port_of(int fd) {
    return name_of(fd).svm_port;
}

void set_blocking(int fd, bool blocking) {
    ASSERT_EQ(::fcntl(fd, F_SETFL, blocking ? 0 : O_NONBLOCK), 0);
}

short poll_events(int fd, short events, int timeout_ms) {
    pollfd entry{.fd = fd, .events = events, .revents = 0};
    EXPECT_GE(::poll(&entry, 1, timeout_ms), 0) << std::strerror(errno);
    return entry.revents;
}

bool poll_for(int fd, short events, int timeout_ms) {
    return (poll_events(fd, events, timeout_ms) & events) != 0;
}

int socket_error(int fd) {
    return get_option<int>(fd, SOL_SOCKET, SO_ERROR);
}

void set_buffer_size(int fd, std::uint64_t size) {
    const std::uint64_t least = 1;
    ASSERT_EQ(set_option(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MIN_SIZE, least), 0);
    ASSERT_EQ(set_option(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, size), 0);
    ASSERT_EQ(set_option(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, size), 0);
}

std::vector<std::uint8_t> pattern_bytes(std::uint64_t from, std::size_t size) {
    std::vector<std::uint8_t> result(size);
    for (std::size_t i = 0; i < size; ++i)
        result[i] = pattern(from + i);
    return result;
}

void send_pattern(int fd, std::size_t size, std::uint64_t from) {
    const auto data = pattern_bytes(from, size);
    EXPECT_TRUE(send_all(fd, data.data(), size)) << std::strerror(errno);
}

void expect_pattern(int fd, std::size_t size, std::uint64_t from) {
    std::vector<std::uint8_t> got(size);
    ASSERT_EQ(receive_all(fd, got.data(), size), size) << std::strerror(errno);
    EXPECT_TRUE(got == pattern_bytes(from, size)) << size << " bytes from " << from << " on differ";
}

void expect_end(int fd) {
    char byte = 0;
    const auto got = ::recv(fd, &byte, 1, 0);
    EXPECT_EQ(got, 0) << (got < 0 ? std::strerror(errno) : "there is more");
}

std::size_t fill(int fd, std::size_t room, std::uint64_t from) {
    const auto data = pattern_bytes(from, room + 1);
    for (std::size_t done = 0; done <= room;) {
        const auto sent = ::send(fd, data.data() + done, data.size() - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0)
            done += static_cast<std::size_t>(sent);
        else if (errno != EAGAIN)
            throw std::system_error(errno, std::generic_category(), "filling the peer's buffer");
        else if (done == room)
            break;
        else if (!poll_for(fd, POLLOUT)) // a full ring may be replaced by a larger one
            throw std::runtime_error("only " + std::to_string(done) + " bytes fit, not " +
                                     std::to_string(room));
        if (done > room)
            throw std::runtime_error("more than " + std::to_string(room) + " bytes fit");
    }
    EXPECT_FALSE(poll_for(fd, POLLOUT, 0));
    return room;
}

void expect_echo(int fd, std::size_t size, std::uint64_t seed) {
    const auto data = pattern_bytes(seed, size);
    std::jthread sender([&] { EXPECT_TRUE(send_all(fd, data.data(), data.size())); });
    std::vector<std::uint8_t> back(size);
    EXPECT_EQ(receive_all(fd, back.data(), back.size()), size);
    sender.join();
    EXPECT_TRUE(back == data) << "the echo of " << size << " bytes differs";
}

void wait_until_asleep(pid_t thread) {
    for (int try_ = 0; try_ < 1000; ++try_) {
        std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        const auto name_end = text.rfind(')');
        if (name_end != std::string::npos && text.substr(name_end, 3) == ") S")
            return;
        std::this_thread::sleep_for(5ms);
    }
    ADD_FAILURE() << "thread " << thread << " does not sleep";
}

descriptor make_pair(remote_end& remote, role ours, const pair_options& options, std::uint32_t slot) {
    // A connect() ended by what io_uring left (see connect_patiently()) may have reached the listener, so the
    // next try has a listener of its own.
    for (int tries = 0; ours == role::initiator; ++tries) {
        const auto listening = remote.run(
            remote_op::listen, {.slot = remote_end::listener, .size = options.their_buffer, .number = 1});
        EXPECT_GT(listening.result, 0) << std::strerror(listening.error);
        auto result = make_socket();
        if (options.our_buffer != 0)
            set_buffer_size(result.get(), options.our_buffer);
        const int error = try_connect(result.get(), server_cid, static_cast<std::uint32_t>(listening.result));
        if (error == 0) {
            remote.accept(slot);
            remote.close(remote_end::listener);
            return result;
        }
        if (error != EINTR || tries == 10) // nobody is there to be accepted
            throw std::system_error(error, std::generic_category(), "connecting to the remote end");
        remote.close(remote_end::listener);
    }
    const auto listener = listen_anywhere();
    if (options.our_buffer != 0)
        set_buffer_size(listener.get(), options.our_buffer);
    const auto connected =
        remote.run(remote_op::connect,
                   {.slot = slot, .size = options.their_buffer, .position = port_of(listener.get())});
    EXPECT_EQ(connected.result, 0) << std::strerror(connected.error);
    descriptor result{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    EXPECT_GE(result.get(), 0) << std::strerror(errno);
    return result;
}

} // namespace xvsock::guest
