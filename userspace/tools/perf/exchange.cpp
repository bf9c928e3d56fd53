// SPDX-License-Identifier: MIT
#include "perf/exchange.hpp"

#include <future>

namespace xvsock::perf {

using clock = std::chrono::steady_clock;

exchange::exchange(stream& connection, const request& test, side which)
    : connection_(connection), test_(test),
      outgoing_(which == side::client ? test.seed : server_seed(test.seed)),
      incoming_(which == side::client ? server_seed(test.seed) : test.seed), send_buffer_(test.size),
      receive_buffer_(test.size) {
    outgoing_.fill(0, send_buffer_);
}

void exchange::check(std::uint64_t offset, std::size_t size) {
    if (!difference_)
        difference_ = incoming_.check(offset, std::span(receive_buffer_).first(size));
}

template <bool Checked> void exchange::ping_loop() {
    for (std::uint64_t i = 0; i < test_.count; ++i) {
        if constexpr (Checked)
            outgoing_.fill(i * test_.size, send_buffer_);
        connection_.send_all(send_buffer_.data(), test_.size);
        connection_.receive_all(receive_buffer_.data(), test_.size);
        if constexpr (Checked)
            check(i * test_.size, test_.size);
    }
}

template <bool Checked> void exchange::pong_loop() {
    for (std::uint64_t i = 0; i < test_.count; ++i) {
        connection_.receive_all(receive_buffer_.data(), test_.size);
        if constexpr (Checked) {
            check(i * test_.size, test_.size);
            outgoing_.fill(i * test_.size, send_buffer_);
        }
        connection_.send_all(send_buffer_.data(), test_.size);
    }
}

/// On TCP, small messages of a stream may be joined (Nagle's algorithm), as other programs' are. What is held
/// back in the end must go at once: a delayed acknowledgement would add 40 ms to the measured time.
template <bool Checked> void exchange::send_loop() {
    connection_.set_no_delay(false);
    for (std::uint64_t i = 0; i < test_.count; ++i) {
        if constexpr (Checked)
            outgoing_.fill(i * test_.size, send_buffer_);
        connection_.send_all(send_buffer_.data(), test_.size);
    }
    connection_.set_no_delay(true);
}

template <bool Checked> void exchange::receive_loop() {
    const std::uint64_t volume = test_.volume();
    for (std::uint64_t offset = 0; offset < volume;) {
        // A stream has no message boundaries: what is there is taken, but nothing of what follows the test.
        const std::size_t size = std::size_t(std::min<std::uint64_t>(test_.size, volume - offset));
        const std::size_t moved = connection_.receive_some(receive_buffer_.data(), size);
        if (moved == 0) // the peer has closed; receive_all() has the message for that
            connection_.receive_all(receive_buffer_.data(), size);
        if constexpr (Checked)
            check(offset, moved);
        offset += moved;
    }
}

void exchange::ping() {
    test_.verify ? ping_loop<true>() : ping_loop<false>();
}
void exchange::pong() {
    test_.verify ? pong_loop<true>() : pong_loop<false>();
}
void exchange::send_stream() {
    test_.verify ? send_loop<true>() : send_loop<false>();
}
void exchange::receive_stream() {
    test_.verify ? receive_loop<true>() : receive_loop<false>();
}

void exchange::ping_timed(std::span<std::int64_t> round_trips) {
    // One clock reading a round: the end of one is the start of the next.
    auto before = clock::now();
    for (std::int64_t& round_trip : round_trips) {
        connection_.send_all(send_buffer_.data(), test_.size);
        connection_.receive_all(receive_buffer_.data(), test_.size);
        const auto after = clock::now();
        round_trip = (after - before).count();
        before = after;
    }
}

void exchange::send_and_receive_streams() {
    auto sending = std::async(std::launch::async, [this] {
        try {
            send_stream();
        } catch (...) {
            connection_.interrupt(stream::end_cause::failed); // or the other direction would wait for ever
            throw;
        }
    });
    try {
        receive_stream();
    } catch (...) {
        connection_.interrupt(stream::end_cause::failed);
        throw;
    }
    sending.get();
}

} // namespace xvsock::perf
