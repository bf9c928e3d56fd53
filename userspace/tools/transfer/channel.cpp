// SPDX-License-Identifier: MIT
#include "transfer/channel.hpp"

#include "sockets/stream_error.hpp"

#include <algorithm>
#include <fmt/format.h>

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace xvsock::transfer {

namespace {

void limit_time(int socket, std::chrono::nanoseconds timeout) {
    using namespace std::chrono;
    const auto us = std::max<std::int64_t>(duration_cast<microseconds>(timeout).count(), 1);
    const timeval limit{.tv_sec = time_t(us / 1'000'000), .tv_usec = suseconds_t(us % 1'000'000)};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

} // namespace

channel::channel(int socket, std::chrono::nanoseconds timeout)
    : socket_(socket), timeout_(timeout), buffer_(max_body) {
    limit_time(socket, timeout);
}

void channel::greet() {
    std::array<unsigned char, greeting_size> theirs{};
    std::size_t size = 0;
    try {
        write(make_greeting());
        size = read(theirs.data(), theirs.size());
    } catch (const connection_lost& error) {
        throw connection_lost(fmt::format("{} before a word was said", error.what()));
    }
    if (size == 0)
        throw connection_lost("the connection has ended before a word was said");
    check_greeting(byte_view(theirs).first(size));
}

void channel::send(message_kind kind, byte_view body) {
    const auto head = make_header(kind, body.size());
    if (kind == message_kind::data) { // not copied
        write(head);
        write(body);
        return;
    }
    bytes whole(head.begin(), head.end());
    whole.insert(whole.end(), body.begin(), body.end());
    write(whole);
}

std::optional<message> channel::receive() {
    for (;;) {
        std::array<unsigned char, header_size> text{};
        const std::size_t size = read(text.data(), text.size());
        if (size == 0)
            return std::nullopt;
        if (size < text.size())
            throw connection_lost("the connection has ended within a message");
        const header head = parse_header(text);
        if (read(buffer_.data(), head.size) < head.size)
            throw connection_lost("the connection has ended within a message");
        if (head.kind == message_kind::waiting)
            continue;
        const message got{.kind = head.kind, .body = byte_view(buffer_).first(head.size)};
        if (got.kind == message_kind::failure)
            throw peer_failed(parse_text(got.body));
        return got;
    }
}

message channel::expect() {
    auto got = receive();
    if (!got)
        throw connection_lost("the connection has ended");
    return *got;
}

bool channel::has_input() const {
    pollfd input{.fd = socket_, .events = POLLIN, .revents = 0};
    return ::poll(&input, 1, 0) > 0;
}

void channel::fail(std::string_view text) noexcept {
    try {
        limit_time(socket_, std::chrono::seconds(5));
        send(message_kind::failure, make_text(text));
        ::shutdown(socket_, SHUT_WR);
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
        while (std::chrono::steady_clock::now() < end &&
               ::recv(socket_, buffer_.data(), buffer_.size(), 0) > 0)
            ;
    } catch (const std::exception&) { // the peer has gone, which is what it would have heard
    }
}

std::size_t channel::read(unsigned char* data, std::size_t size) {
    std::size_t done = 0;
    while (done < size) {
        const ssize_t part = ::recv(socket_, data + done, size - done, 0);
        if (part == 0)
            break;
        if (part > 0)
            done += std::size_t(part);
        else if (errno == EAGAIN)
            throw connection_lost(fmt::format("nothing has come for {:.0f} s",
                                              std::chrono::duration<double>(timeout_).count()));
        else if (errno != EINTR)
            throw connection_lost(fmt::format("the connection is broken: {}", sockets::stream_error(errno)));
    }
    return done;
}

void channel::write(byte_view data) {
    while (!data.empty()) {
        const ssize_t part = ::send(socket_, data.data(), data.size(), MSG_NOSIGNAL);
        if (part >= 0)
            data = data.subspan(std::size_t(part));
        else if (errno == EAGAIN)
            throw connection_lost(fmt::format("nothing was taken for {:.0f} s",
                                              std::chrono::duration<double>(timeout_).count()));
        else if (errno != EINTR)
            throw connection_lost(fmt::format("the connection is broken: {}", sockets::stream_error(errno)));
    }
}

} // namespace xvsock::transfer
