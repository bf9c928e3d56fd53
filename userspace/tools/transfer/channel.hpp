// SPDX-License-Identifier: MIT
/// The messages of the protocol over a connected stream socket.
#pragma once

#include "transfer/protocol.hpp"

#include <chrono>
#include <optional>

namespace xvsock::transfer {

/// The connection has ended, or nothing has moved for too long.
class connection_lost : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// The peer gives up: its own words.
class peer_failed : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct message {
    message_kind kind;
    byte_view body; ///< until the next message is received
};

/// Calls block, and throw connection_lost and protocol_error. Needs one buffer, whatever the peer sends.
class channel {
public:
    /// The socket must stay; its calls must block. Nothing may move for `timeout` at most.
    channel(int socket, std::chrono::nanoseconds timeout);

    /// Says what protocol this is, and hears that it is the peer's, too.
    void greet();

    void send(message_kind kind, byte_view body = {});

    /// The next message that is not `waiting`. Without a value when the peer has closed the connection
    /// between two messages. Throws peer_failed for `failure`.
    std::optional<message> receive();

    /// The same where the peer may not close; throws connection_lost.
    message expect();

    /// Whether the peer has sent something that has not been received.
    bool has_input() const;

    /// Sends a failure, and reads what the peer has on its way for a while, since a close with unread bytes
    /// could destroy the message. Throws nothing.
    void fail(std::string_view text) noexcept;

private:
    /// Returns how much there was until the end.
    std::size_t read(unsigned char* data, std::size_t size);
    void write(byte_view data);

    int socket_;
    std::chrono::nanoseconds timeout_;
    bytes buffer_;
};

} // namespace xvsock::transfer
