// SPDX-License-Identifier: MIT
// dom0's end of the channel to the program outside.
#pragma once

#include <deque>
#include <functional>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/object.hpp>

#include "common/frames.hpp"

namespace xvsock::testbed {

/// Sends and receives frames on the virtio-serial port named "testbed". Frames leave in the order of the
/// calls.
class outside {
public:
    /// Opens the port. Throws std::runtime_error when there is none.
    explicit outside(const boost::asio::any_io_executor& executor);

    /// Queues a frame; never blocks.
    void send(const frame& message);
    /// Queues an event: {"event": kind, ...details}.
    void event(const std::string& kind, boost::json::object details = {});
    /// Waits until at most `limit` bytes are still to be written.
    boost::asio::awaitable<void> drained(std::size_t limit = 0);

    /// Writes what is queued, for ever. Run this once, beside everything else.
    boost::asio::awaitable<void> write_loop();
    /// Receives, for ever, and hands each frame over.
    boost::asio::awaitable<void> read_loop(std::function<void(frame)> handler);

private:
    boost::asio::posix::stream_descriptor port_;
    boost::asio::steady_timer written_;
    boost::asio::steady_timer queued_;
    std::deque<std::string> queue_;
    std::size_t queued_bytes_ = 0;
};

} // namespace xvsock::testbed
