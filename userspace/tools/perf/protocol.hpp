// SPDX-License-Identifier: MIT
/// What client and server of `xvsock perf` say to each other.
///
/// A connection is one session: the client sends a request for each test and the server answers `ready`, the
/// test's data moves, and the server ends the test with a reply that says what it received. For tests in
/// which the server sends first (stream_receive, stream_both) the client gives the start signal with one `go`
/// byte. For connects, `ready` says in `received` on which port the server now takes `count` connections, one
/// after the other: it receives a byte of the client's pattern from each, answers with one of its own, and
/// closes. All fields are little-endian.
#pragma once

#include "perf/pattern.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>

namespace xvsock::perf {

inline constexpr std::uint32_t protocol_magic = 0x46505658; // "XVPF"
inline constexpr std::uint16_t protocol_version = 1;
inline constexpr std::byte go_byte{'G'};

enum class test_kind : std::uint8_t {
    ping_pong = 1,      ///< messages go there and back, one at a time
    stream_send = 2,    ///< client to server
    stream_receive = 3, ///< server to client
    stream_both = 4,    ///< both directions at the same time
    connects = 5,       ///< connections that carry a byte each way, one at a time
};

struct request {
    test_kind kind = test_kind::ping_pong;
    bool verify = false;     ///< the content of each message is the pattern, and is checked
    std::uint32_t size = 0;  ///< of a message, in bytes
    std::uint64_t count = 0; ///< messages in each direction
    std::uint64_t seed = 0;  ///< of the client's pattern; the server's is server_seed(seed)

    /// Bytes that move in each direction that the test uses.
    std::uint64_t volume() const { return size * count; }

    bool operator==(const request&) const = default;
};

enum class reply_status : std::uint8_t {
    ready = 1,
    done = 2,
    corrupt = 3,     ///< the server received something else than was sent
    bad_version = 4, ///< the request is of another version than the reply
    bad_request = 5, ///< a field is out of bounds
};

struct reply {
    reply_status status = reply_status::ready;
    std::uint64_t received = 0; ///< bytes of the test that the server received
    mismatch difference;        ///< with status corrupt

    bool operator==(const reply&) const = default;
};

inline constexpr std::size_t frame_size = 32; ///< of an encoded request and of an encoded reply, in bytes
using frame = std::array<std::byte, frame_size>;

/// Why a frame was refused.
class protocol_error : public std::runtime_error {
public:
    enum class reason { stranger, version, bounds };

    protocol_error(reason why, const std::string& message) : std::runtime_error(message), why_(why) {}

    reason why() const { return why_; }

private:
    reason why_;
};

/// The seed of what the server sends, other than the client's so that an echo cannot pass for it.
constexpr std::uint64_t server_seed(std::uint64_t seed) {
    return ~seed;
}

frame encode(const request& message);
frame encode(const reply& message);

/// Decodes and checks every field. Throws protocol_error; a frame that passed cannot make the server allocate
/// more than max_message_size or make a byte count overflow.
request decode_request(const frame& data);
reply decode_reply(const frame& data);

} // namespace xvsock::perf
