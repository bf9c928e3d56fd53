// SPDX-License-Identifier: MIT
/// What `xvsock send` and `xvsock recv` say to each other, as bytes: docs/file-transfer.md.
#pragma once

#include "transfer/checksum.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace xvsock::transfer {

inline constexpr std::uint32_t default_port = 30323;
inline constexpr std::uint16_t protocol_version = 1;

/// Bounds what a peer can make this side allocate.
inline constexpr std::size_t max_body = std::size_t{256} * 1024;
inline constexpr std::size_t max_text = 1024;

/// ".part" has to fit behind it in a file's name.
inline constexpr std::size_t max_name = 250;

using bytes = std::vector<unsigned char>;
using byte_view = std::span<const unsigned char>;

/// The peer has said what it may not say.
class protocol_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

inline constexpr std::size_t greeting_size = 8;
std::array<unsigned char, greeting_size> make_greeting();
/// Throws protocol_error that says whether it is another protocol or another version.
void check_greeting(byte_view greeting);

enum class message_kind : unsigned char {
    offer = 1, ///< sender: here is a file
    have,      ///< receiver: so much of it is here already
    start,     ///< sender: it goes on from here
    data,      ///< sender
    end,       ///< sender: that was all
    done,      ///< receiver: it is stored
    refuse,    ///< both: not this file; others may follow
    failure,   ///< both: nothing more in this connection
    waiting,   ///< both: still at work
};

struct header {
    message_kind kind;
    std::uint32_t size; ///< of the body, as checked against what the kind may have
};

inline constexpr std::size_t header_size = 8;
std::array<unsigned char, header_size> make_header(message_kind kind, std::size_t size);
/// Throws protocol_error.
header parse_header(byte_view text);

struct offer_body {
    std::uint64_t size = 0;
    std::uint32_t mode = 0; ///< permission bits, 0777
    std::string name;

    bool operator==(const offer_body&) const = default;
};

struct have_body {
    std::uint64_t size = 0;
    digest sum{}; ///< of these bytes

    bool operator==(const have_body&) const = default;
};

bytes make_offer(const offer_body& offer);
bytes make_have(const have_body& have);
bytes make_start(std::uint64_t offset);
bytes make_digest(const digest& sum);
/// Cut to max_text.
bytes make_text(std::string_view text);

// They throw protocol_error. Sizes are at most that of a file offset, 2^63 - 1.
offer_body parse_offer(byte_view body);
have_body parse_have(byte_view body);
std::uint64_t parse_start(byte_view body);
digest parse_digest(byte_view body);
/// With ? for what could do something to a terminal.
std::string parse_text(byte_view body);

/// Why a file may not have this name; empty if it may.
std::string objection_to_name(std::string_view name);

/// The same with ? for control characters and what is no UTF-8, for messages and JSON.
std::string printable(std::string_view text);

} // namespace xvsock::transfer
