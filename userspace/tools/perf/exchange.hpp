// SPDX-License-Identifier: MIT
/// The loops that move a test's messages: the code whose time is measured, and its checked variant.
#pragma once

#include "perf/protocol.hpp"
#include "perf/stream.hpp"

#include <boost/align/aligned_allocator.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace xvsock::perf {

/// One end of one test: its buffers, allocated and touched before anything is timed, and its loops. All of
/// them block until their part of the test is over, throw connection_error when the connection breaks, and
/// keep the first difference that a checked test finds for difference().
class exchange {
public:
    enum class side { client, server };

    exchange(stream& connection, const request& test, side which);

    /// The client's part of a ping-pong: sends a message and awaits the answer, request::count times.
    void ping();

    /// The same, writing the nanoseconds of each round trip to `round_trips`, which has request::count
    /// elements.
    void ping_timed(std::span<std::int64_t> round_trips);

    /// The server's part of a ping-pong.
    void pong();

    /// Sends all messages of a stream.
    void send_stream();

    /// Receives all bytes of a stream.
    void receive_stream();

    /// send_stream() in a thread of its own while receive_stream() runs in this one.
    void send_and_receive_streams();

    const std::optional<mismatch>& difference() const { return difference_; }

private:
    using buffer = std::vector<std::byte, boost::alignment::aligned_allocator<std::byte, 4096>>;

    template <bool Checked> void ping_loop();
    template <bool Checked> void pong_loop();
    template <bool Checked> void send_loop();
    template <bool Checked> void receive_loop();

    void check(std::uint64_t offset, std::size_t size);

    stream& connection_;
    const request test_;
    const pattern outgoing_;
    const pattern incoming_;
    buffer send_buffer_;
    buffer receive_buffer_;
    std::optional<mismatch> difference_;
};

} // namespace xvsock::perf
