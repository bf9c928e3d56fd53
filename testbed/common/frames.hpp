// SPDX-License-Identifier: MIT
// The frames that the dom0 agent and the program outside exchange over one virtio-serial port.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace xvsock::testbed {

/// What a frame carries. The first four go from dom0 to the outside, the last two the other way.
enum class frame_kind : std::uint8_t {
    event = 1,   ///< payload: one JSON object, see dom0.cpp
    console = 2, ///< name: a guest; payload: bytes that its console printed
    log = 3,     ///< name: a script's domain; payload: bytes that the script printed
    archive = 4, ///< name: a domain; payload: part of a tar stream, empty at its end
    input = 5,   ///< name: a domain; payload: bytes typed on its console
    command = 6, ///< name: a word such as "collect"; no payload
};

/// One message. Names are at most 255 bytes, payloads at most `max_payload`.
struct frame {
    frame_kind kind{};
    std::string name;
    std::string payload;

    static constexpr std::size_t max_payload = 1U << 20U;
};

/// The frame's bytes on the wire. Throws std::length_error when the name or the payload is too long.
std::string encode(const frame& message);

/// Cuts a byte stream into frames.
class frame_decoder {
public:
    /// Adds received bytes.
    void feed(std::string_view bytes) { pending_.append(bytes); }

    /// The next complete frame, or nothing when more bytes are needed. Throws std::runtime_error when the
    /// stream is not a sequence of frames.
    std::optional<frame> next();

private:
    std::string pending_;
};

} // namespace xvsock::testbed
