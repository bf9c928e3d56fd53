// SPDX-License-Identifier: MIT
#include "perf/stream.hpp"

#include "perf/supervisor.hpp"

#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

namespace xvsock::perf {

namespace {

using std::chrono::nanoseconds;

/// A socket address of any family.
struct endpoint {
    sockaddr_storage storage{};
    socklen_t length = 0;

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

endpoint make_vsock_endpoint(const address& where) {
    endpoint result;
    auto& vsock = reinterpret_cast<sockaddr_vm&>(result.storage);
    vsock.svm_family = AF_VSOCK;
    vsock.svm_cid = where.cid;
    vsock.svm_port = where.port;
    result.length = sizeof vsock;
    return result;
}

endpoint make_unix_endpoint(const address& where) {
    endpoint result;
    auto& local = reinterpret_cast<sockaddr_un&>(result.storage);
    local.sun_family = AF_UNIX;
    std::memcpy(local.sun_path, where.path.data(), where.path.size());
    result.length = socklen_t(offsetof(sockaddr_un, sun_path) + where.path.size());
    if (where.path.front() == '@')
        local.sun_path[0] = '\0';
    else
        ++result.length; // the final zero byte
    return result;
}

std::vector<endpoint> resolve_tcp(const address& where, address_role role) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | (role == address_role::listen ? AI_PASSIVE : 0);
    addrinfo* found = nullptr;
    const int error = getaddrinfo(where.host.empty() ? nullptr : where.host.c_str(),
                                  std::to_string(where.port).c_str(), &hints, &found);
    if (error != 0)
        throw connection_error(fmt::format("cannot look up {}: {}", to_string(where), gai_strerror(error)));
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);

    std::vector<endpoint> endpoints;
    for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
        endpoint& added = endpoints.emplace_back();
        std::memcpy(&added.storage, entry->ai_addr, entry->ai_addrlen);
        added.length = entry->ai_addrlen;
    }
    // An IPv6 wildcard socket takes IPv4 clients too, so it is the better first choice where there is one.
    if (where.host.empty())
        std::stable_partition(endpoints.begin(), endpoints.end(),
                              [](const endpoint& one) { return one.storage.ss_family == AF_INET6; });
    return endpoints;
}

std::vector<endpoint> resolve(const address& where, address_role role) {
    switch (where.family) {
    case address_family::vsock:
        return {make_vsock_endpoint(where)};
    case address_family::tcp:
        return resolve_tcp(where, role);
    case address_family::unix_stream:
        return {make_unix_endpoint(where)};
    }
    return {};
}

timeval to_timeval(nanoseconds time) {
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
    return {.tv_sec = micros / 1000000, .tv_usec = micros % 1000000};
}

template <typename Value> bool set_option(int fd, int level, int option, const Value& value) {
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/// Returns 0 or an errno.
int set_buffer(int fd, address_family family, std::uint64_t size) {
    if (size == 0)
        return 0;
    if (family == address_family::vsock)
        return set_option(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, size) &&
                       set_option(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, size)
                   ? 0
                   : errno;
    const int value = int(std::min<std::uint64_t>(size, INT32_MAX / 2));
    return set_option(fd, SOL_SOCKET, SO_SNDBUF, value) && set_option(fd, SOL_SOCKET, SO_RCVBUF, value)
               ? 0
               : errno;
}

/// The time limit of connect(). AF_VSOCK's default of 2 s covers the whole handshake and is too short on a
/// loaded host; the other families take the send timeout.
bool set_connect_timeout(int fd, address_family family, nanoseconds timeout) {
    const timeval limit = to_timeval(timeout);
    return family == address_family::vsock ? set_option(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, limit)
                                           : set_option(fd, SOL_SOCKET, SO_SNDTIMEO, limit);
}

/// One attempt at one endpoint. Returns the socket, or an errno.
std::pair<unique_fd, int> try_connect(const address& where, const endpoint& target,
                                      const connect_options& options) {
    for (;;) {
        unique_fd fd(socket(target.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (fd.get() < 0)
            return {unique_fd{}, errno};
        if (const int error = set_buffer(fd.get(), where.family, options.buffer))
            return {unique_fd{}, error};
        if (!set_connect_timeout(fd.get(), where.family, options.timeout))
            return {unique_fd{}, errno};
        if (connect(fd.get(), target.get(), target.length) == 0) {
            // The data's time limit is the supervisor's matter: a timer per system call would cost in each.
            set_option(fd.get(), SOL_SOCKET, SO_SNDTIMEO, timeval{});
            return {std::move(fd), 0};
        }
        if (errno == EINTR)
            continue; // with a new socket: what an interrupted connect leaves behind differs by family
        const bool timed_out = errno == EINPROGRESS || errno == EAGAIN;
        return {unique_fd{}, timed_out ? ETIMEDOUT : errno};
    }
}

/// Whether a server that is about to start would make this error go away.
bool may_pass(int error) {
    switch (error) {
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENODEV:
    case ENOENT:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

std::string name_of(int fd, int (*ask)(int, sockaddr*, socklen_t*)) {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    if (ask(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0)
        return "(unknown)";
    return to_string(storage, length);
}

/// Removes the socket file that a dead server left. A file that is in use, or is no socket, stays.
void remove_stale_socket(const address& where) {
    struct stat status {};
    if (where.path.front() == '@' || lstat(where.path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode))
        return;
    const endpoint target = make_unix_endpoint(where);
    const unique_fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (connect(probe.get(), target.get(), target.length) != 0 && errno == ECONNREFUSED)
        unlink(where.path.c_str());
}

// The name that the kernel gives an AF_UNIX socket: a zero byte and five hexadecimal digits.
constexpr int autobound_digits = 5;
constexpr socklen_t autobound_length = offsetof(sockaddr_un, sun_path) + 1 + autobound_digits;

/// The port of an AF_UNIX socket is the number in the name that the kernel gave it; 0 when it has another.
std::uint32_t port_of(int fd) {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0)
        return 0;
    switch (storage.ss_family) {
    case AF_VSOCK:
        return reinterpret_cast<const sockaddr_vm&>(storage).svm_port;
    case AF_INET:
        return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
    case AF_INET6:
        return ntohs(reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
    case AF_UNIX: {
        const auto& local = reinterpret_cast<const sockaddr_un&>(storage);
        std::uint32_t number = 0;
        if (length == autobound_length && local.sun_path[0] == '\0')
            std::from_chars(local.sun_path + 1, local.sun_path + 1 + autobound_digits, number, 16);
        return number;
    }
    default:
        return 0;
    }
}

} // namespace

unique_fd& unique_fd::operator=(unique_fd&& other) noexcept {
    if (this != &other) {
        if (fd_ >= 0)
            close(fd_);
        fd_ = other.release();
    }
    return *this;
}

unique_fd::~unique_fd() {
    // clang 14's analyzer loses the value that try_connect() has returned in a pair
    if (fd_ >= 0) // NOLINT(clang-analyzer-core.UndefinedBinaryOperatorResult)
        close(fd_);
}

int unique_fd::release() {
    return std::exchange(fd_, -1);
}

stream::stream(unique_fd socket, address_family family, bool no_delay)
    : socket_(std::move(socket)), family_(family) {
    if (no_delay)
        set_no_delay(true);
}

void stream::interrupt(end_cause cause) noexcept {
    auto none = end_cause::none;
    end_cause_.compare_exchange_strong(none, cause);
    shutdown(socket_.get(), SHUT_RDWR);
}

void stream::set_no_delay(bool enabled) {
    if (family_ == address_family::tcp)
        set_option(socket_.get(), IPPROTO_TCP, TCP_NODELAY, int(enabled));
}

std::string stream::peer_name() const {
    return name_of(socket_.get(), getpeername);
}

void stream::fail(const char* operation, int error) const {
    switch (end_cause_.load()) {
    case end_cause::stopped:
        throw connection_error("interrupted");
    case end_cause::stalled:
        throw connection_error(fmt::format("no data moved within the time limit (sent {} bytes, received {})",
                                           sent(), received()));
    case end_cause::failed:
    case end_cause::none:
        break;
    }
    const char* name = strerrorname_np(error);
    throw connection_error(fmt::format(
        "{} failed: {} ({}){}, after {} bytes sent and {} received", operation, std::strerror(error),
        name ? name : "?", error == ECONNRESET || error == EPIPE ? "; the peer ended the connection" : "",
        sent(), received()));
}

void stream::fail_closed() const {
    throw connection_error(fmt::format("the peer closed the connection, after {} bytes sent and {} received",
                                       sent(), received()));
}

stream connect_to(const address& where, const connect_options& options, const supervisor& watcher) {
    const auto deadline = std::chrono::steady_clock::now() + options.wait;
    for (;;) {
        int last_error = 0;
        for (const endpoint& target : resolve(where, address_role::connect)) {
            auto [fd, error] = try_connect(where, target, options);
            if (error == 0)
                return {std::move(fd), where.family};
            last_error = error;
            if (watcher.stopping())
                break;
        }
        if (watcher.stopping())
            throw connection_error("interrupted");
        if (!may_pass(last_error) || std::chrono::steady_clock::now() >= deadline)
            throw connection_error(explain_error(where, address_role::connect, last_error));
        pollfd stop{.fd = watcher.stop_fd(), .events = POLLIN, .revents = 0};
        poll(&stop, 1, 100);
    }
}

listener::listener(const address& where, std::uint64_t buffer) : where_(where) {
    constexpr int backlog = 128;
    if (where.family == address_family::unix_stream)
        remove_stale_socket(where);
    int error = 0;
    for (const endpoint& target : resolve(where, address_role::listen)) {
        unique_fd fd(socket(target.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (fd.get() >= 0 && where.family == address_family::tcp)
            set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
        if (fd.get() >= 0 && (error = set_buffer(fd.get(), where.family, buffer)) == 0 &&
            bind(fd.get(), target.get(), target.length) == 0 && listen(fd.get(), backlog) == 0) {
            socket_ = std::move(fd);
            take_names();
            return;
        }
        if (error == 0)
            error = errno;
    }
    throw connection_error(explain_error(where, address_role::listen, error));
}

listener::listener(const stream& session) {
    endpoint local;
    local.length = sizeof local.storage;
    where_.family = session.family_;
    if (getsockname(session.socket_.get(), reinterpret_cast<sockaddr*>(&local.storage), &local.length) != 0)
        throw connection_error(fmt::format("getsockname failed: {}", std::strerror(errno)));
    switch (session.family_) {
    case address_family::vsock:
        reinterpret_cast<sockaddr_vm&>(local.storage).svm_port = VMADDR_PORT_ANY;
        break;
    case address_family::tcp:
        // IPv4's and IPv6's port are at the same place.
        reinterpret_cast<sockaddr_in&>(local.storage).sin_port = 0;
        break;
    case address_family::unix_stream:
        local.length = offsetof(sockaddr_un, sun_path); // no name: the kernel gives it one
        where_.path.push_back('@');                     // abstract: no file to remove
        break;
    }
    constexpr int backlog = 1;
    socket_ = unique_fd(socket(local.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (socket_.get() < 0 || bind(socket_.get(), local.get(), local.length) != 0 ||
        listen(socket_.get(), backlog) != 0)
        throw connection_error(fmt::format("cannot listen on another port: {}", std::strerror(errno)));
    take_names();
}

void listener::take_names() {
    name_ = name_of(socket_.get(), getsockname);
    port_ = port_of(socket_.get());
}

listener::~listener() {
    if (where_.family == address_family::unix_stream && socket_.get() >= 0 && where_.path.front() != '@')
        unlink(where_.path.c_str());
}

std::optional<unique_fd> listener::accept(const supervisor& watcher, const stream* session) {
    for (;;) {
        pollfd ready[] = {{.fd = socket_.get(), .events = POLLIN, .revents = 0},
                          {.fd = watcher.stop_fd(), .events = POLLIN, .revents = 0},
                          {.fd = session ? session->socket_.get() : -1, .events = POLLIN, .revents = 0}};
        if (poll(ready, 3, -1) < 0 && errno != EINTR)
            throw connection_error(fmt::format("poll failed: {}", std::strerror(errno)));
        if (watcher.stopping() || ready[2].revents != 0)
            return std::nullopt;
        unique_fd fd(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (fd.get() >= 0)
            return fd;
        switch (errno) {
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case ENOBUFS:
            poll(&ready[1], 1, 100); // sessions that end free what is missing
            break;
        case EBADF:
        case EFAULT:
        case EINVAL:
        case ENOTSOCK:
        case EOPNOTSUPP:
            throw connection_error(fmt::format("accept on {} failed: {}", name_, std::strerror(errno)));
        default:
            break; // the client has gone again
        }
    }
}

side_door::side_door(const stream& session, std::uint32_t port, std::chrono::nanoseconds timeout)
    : family_(session.family_), timeout_(timeout) {
    if (getpeername(session.socket_.get(), reinterpret_cast<sockaddr*>(&storage_), &length_) != 0)
        throw connection_error(fmt::format("getpeername failed: {}", std::strerror(errno)));
    switch (family_) {
    case address_family::vsock:
        reinterpret_cast<sockaddr_vm&>(storage_).svm_port = port;
        break;
    case address_family::tcp:
        reinterpret_cast<sockaddr_in&>(storage_).sin_port = htons(std::uint16_t(port));
        break;
    case address_family::unix_stream: {
        auto& local = reinterpret_cast<sockaddr_un&>(storage_);
        local.sun_path[0] = '\0';
        fmt::format_to(local.sun_path + 1, "{:0{}x}", port & 0xfffff, autobound_digits);
        length_ = autobound_length;
        break;
    }
    }
}

stream side_door::connect() const {
    unique_fd fd(socket(storage_.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd.get() < 0 || !set_connect_timeout(fd.get(), family_, timeout_) ||
        ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage_), length_) != 0)
        throw connection_error(fmt::format("cannot connect to {}: {}", to_string(storage_, length_),
                                           std::strerror(errno == EINPROGRESS ? ETIMEDOUT : errno)));
    return stream(std::move(fd), family_, false);
}

} // namespace xvsock::perf
