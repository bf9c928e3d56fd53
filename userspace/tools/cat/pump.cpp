// SPDX-License-Identifier: MIT
#include "cat/pump.hpp"

#include "sockets/stream_error.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace xvsock::cat {

namespace {

constexpr std::size_t buffer_size = std::size_t{256} * 1024;

/// A call again while signals interrupt it; -1 and errno as ever.
template <typename Call> ssize_t retry(Call call) {
    for (;;) {
        const ssize_t result = call();
        if (result >= 0 || errno != EINTR)
            return result;
    }
}

/// Moves everything from `take` to `give`. Returns the size of what was taken, and not given.
struct moved {
    int take_error = 0;
    int give_error = 0;
    std::size_t lost = 0;
};

template <typename Take, typename Give> moved move_all(Take take, Give give) {
    std::vector<char> buffer(buffer_size);
    for (;;) {
        const ssize_t size = retry([&] { return take(buffer.data(), buffer.size()); });
        if (size == 0)
            return {};
        if (size < 0)
            return {.take_error = errno};
        for (std::size_t done = 0; done < std::size_t(size);) {
            const ssize_t part = retry([&] { return give(buffer.data() + done, std::size_t(size) - done); });
            if (part < 0)
                return {.take_error = 0, .give_error = errno, .lost = std::size_t(size) - done};
            done += std::size_t(part);
        }
    }
}

/// What the thread that sends leaves behind; it may outlive pump().
struct sending {
    std::atomic<bool> done = false;
    std::string problem; ///< to be read once it is done
};

void send_all(int socket, int input, sending& state) {
    const moved result = move_all(
        [&](char* data, std::size_t size) { return ::read(input, data, size); },
        [&](const char* data, std::size_t size) { return ::send(socket, data, size, MSG_NOSIGNAL); });
    if (result.take_error != 0) {
        state.problem = fmt::format("cannot read the input: {}", std::strerror(result.take_error));
        const linger at_once{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        ::shutdown(socket, SHUT_RDWR); // ends the other direction; the close is the reset
    } else if (result.give_error != 0) {
        state.problem = fmt::format("the peer has not taken all of the input: the connection is broken: {}",
                                    sockets::stream_error(result.give_error));
    } else {
        ::shutdown(socket, SHUT_WR);
    }
    state.done = true;
}

/// Whether the peer has gone, so that nothing can be sent any more. Waits a while for it. AF_VSOCK has no
/// event for that, and says it to a send of nothing.
bool is_gone(int socket) {
    pollfd closed{.fd = socket, .events = 0, .revents = 0};
    if (::poll(&closed, 1, 100) > 0)
        return true;
    return ::send(socket, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EPIPE;
}

} // namespace

void pump(int socket, int input, int output) {
    const auto state = std::make_shared<sending>();
    std::thread([=] { send_all(socket, input, *state); }).detach();

    const moved result =
        move_all([&](char* data, std::size_t size) { return ::recv(socket, data, size, 0); },
                 [&](const char* data, std::size_t size) { return ::write(output, data, size); });
    if (result.give_error != 0)
        throw std::runtime_error(
            fmt::format("cannot write the output: {}", std::strerror(result.give_error)));
    if (result.take_error != 0)
        throw std::runtime_error(
            fmt::format("the connection is broken: {}", sockets::stream_error(result.take_error)));
    while (!state->done && !is_gone(socket))
        ;
    // One that is in a send now learns the same at once; one that waits for input has nothing to lose.
    for (int patience = 0; !state->done && patience < 10; ++patience)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (state->done && !state->problem.empty())
        throw std::runtime_error(state->problem);
}

} // namespace xvsock::cat
