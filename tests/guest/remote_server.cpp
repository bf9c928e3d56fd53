// SPDX-License-Identifier: MIT
#include "remote_server.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <memory>
#include <vector>

#include <poll.h>
#include <sys/prctl.h>

#include "held_lock.hpp"
#include "remote_protocol.hpp"

namespace xvsock::guest {

namespace {

constexpr std::size_t chunk = 65536;

class remote_session {
public:
    explicit remote_session(descriptor control) : control_(std::move(control)) {
        sockaddr_vm peer{};
        socklen_t size = sizeof peer;
        ::getpeername(control_.get(), reinterpret_cast<sockaddr*>(&peer), &size);
        commander_ = peer.svm_cid;
    }

    void run() {
        remote_command command{};
        while (receive_all(control_.get(), &command, sizeof command) == sizeof command) {
            remote_answer answer{};
            errno = 0;
            answer.result = execute(command, answer);
            if (answer.result < 0)
                answer.error = errno;
            if (!send_all(control_.get(), &answer, sizeof answer))
                break;
        }
        wait_for_lost_link();
    }

private:
    // When the link is lost, each connection learns it by itself. If this one is the first, closing the
    // others now would be the orderly end that it looks like.
    void wait_for_lost_link() const {
        pollfd entry{.fd = control_.get(), .events = 0, .revents = 0};
        if (::poll(&entry, 1, 0) > 0 && (entry.revents & POLLERR) != 0)
            ::sleep(1);
    }

    std::int64_t execute(const remote_command& command, remote_answer& answer) {
        auto& socket = slots_.at(command.slot);
        switch (command.op) {
        case remote_op::listen:
            return listen(socket, command);
        case remote_op::connect:
            socket = make_socket();
            set_buffer_size(socket.get(), command.size);
            errno = try_connect(socket.get(), commander_, static_cast<std::uint32_t>(command.position));
            return errno == 0 ? 0 : -1;
        case remote_op::accept:
            socket = descriptor{::accept4(slots_.at(static_cast<std::size_t>(command.number)).get(), nullptr,
                                          nullptr, SOCK_CLOEXEC)};
            return socket.get();
        case remote_op::send:
            return send(socket.get(), command, chunk);
        case remote_op::send_ones:
            return send(socket.get(), command, 1);
        case remote_op::receive:
            return receive(socket.get(), command, command.size, answer);
        case remote_op::drain:
            return receive(socket.get(), command, UINT64_MAX, answer);
        case remote_op::echo:
            return echo(socket.get());
        case remote_op::shut:
            return ::shutdown(socket.get(), static_cast<int>(command.number));
        case remote_op::close:
            socket.close();
            return 0;
        case remote_op::set_buffer:
            return set_buffer_size(socket.get(), command.size);
        case remote_op::linger: {
            const linger value{.l_onoff = 1, .l_linger = static_cast<int>(command.number)};
            return ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &value, sizeof value);
        }
        case remote_op::poll: {
            pollfd entry{.fd = socket.get(), .events = static_cast<short>(command.number), .revents = 0};
            return ::poll(&entry, 1, static_cast<int>(command.size)) < 0 ? -1 : entry.revents;
        }
        case remote_op::names:
            return names(socket.get(), answer);
        case remote_op::lock:
            lock_ = std::make_unique<held_lock>(socket.get());
            return 0;
        case remote_op::unlock:
            lock_.reset();
            return 0;
        case remote_op::pid:
            return ::getpid();
        case remote_op::kill:
            return ::kill(static_cast<pid_t>(command.position), static_cast<int>(command.number));
        }
        errno = EINVAL;
        return -1;
    }

    static int set_buffer_size(int fd, std::uint64_t size) {
        if (size == 0)
            return 0;
        const std::uint64_t least = 1;
        ::setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MIN_SIZE, &least, sizeof least);
        ::setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &size, sizeof size);
        return ::setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, sizeof size);
    }

    static std::int64_t listen(descriptor& socket, const remote_command& command) {
        socket = make_socket();
        set_buffer_size(socket.get(), command.size);
        auto at = address(VMADDR_CID_ANY, VMADDR_PORT_ANY);
        socklen_t size = sizeof at;
        auto* generic = reinterpret_cast<sockaddr*>(&at);
        if (::bind(socket.get(), generic, size) != 0 ||
            ::listen(socket.get(), static_cast<int>(command.number)) != 0 ||
            ::getsockname(socket.get(), generic, &size) != 0)
            return -1;
        return at.svm_port;
    }

    static std::int64_t send(int fd, const remote_command& command, std::size_t most) {
        std::vector<std::uint8_t> buffer(most);
        std::uint64_t sent = 0;
        while (sent < command.size) {
            const auto n = std::min<std::uint64_t>(most, command.size - sent);
            for (std::uint64_t i = 0; i < n; ++i)
                buffer[i] = pattern(command.position + sent + i);
            const auto now = ::send(fd, buffer.data(), n, MSG_NOSIGNAL | static_cast<int>(command.number));
            if (now < 0)
                return sent == 0 ? -1 : static_cast<std::int64_t>(sent);
            sent += static_cast<std::uint64_t>(now);
        }
        return static_cast<std::int64_t>(sent);
    }

    static std::int64_t receive(int fd, const remote_command& command, std::uint64_t size,
                                remote_answer& answer) {
        std::vector<std::uint8_t> buffer(chunk);
        std::uint64_t received = 0;
        while (received < size) {
            const auto got = ::recv(fd, buffer.data(), std::min<std::uint64_t>(chunk, size - received),
                                    static_cast<int>(command.number));
            if (got < 0) {
                answer.error = errno;
                return received == 0 ? -1 : static_cast<std::int64_t>(received);
            }
            if (got == 0)
                break;
            for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i)
                answer.wrong += buffer[i] != pattern(command.position + received + i);
            received += static_cast<std::uint64_t>(got);
        }
        return static_cast<std::int64_t>(received);
    }

    static std::int64_t echo(int fd) {
        std::vector<char> buffer(chunk);
        std::int64_t total = 0;
        for (;;) {
            const auto got = ::recv(fd, buffer.data(), buffer.size(), 0);
            if (got < 0 || (got > 0 && !send_all(fd, buffer.data(), static_cast<std::size_t>(got))))
                return -1;
            if (got == 0)
                return total;
            total += got;
        }
    }

    static std::int64_t names(int fd, remote_answer& answer) {
        sockaddr_vm local{};
        sockaddr_vm peer{};
        socklen_t size = sizeof local;
        if (::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) != 0 ||
            ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0)
            return -1;
        answer.cid = local.svm_cid;
        answer.port = local.svm_port;
        answer.peer_cid = peer.svm_cid;
        answer.peer_port = peer.svm_port;
        return 0;
    }

    descriptor control_;
    std::uint32_t commander_;
    std::array<descriptor, 64> slots_;
    std::unique_ptr<held_lock> lock_; // after the slots: it ends before them
};

} // namespace

void serve_remote() {
    ::signal(SIGCHLD, SIG_IGN); // children leave nothing behind
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    auto listener = listen_on(service::remote, 64);
    for (;;) {
        descriptor control{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
        if (control.get() < 0) {
            std::perror("accept");
            return;
        }
        const auto child = ::fork();
        if (child < 0)
            std::perror("fork");
        if (child == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            listener.close();
            try {
                remote_session(std::move(control)).run();
            } catch (const std::exception& error) {
                std::fprintf(stderr, "remote: %s\n", error.what());
            }
            ::_exit(0);
        }
    }
}

} // namespace xvsock::guest
