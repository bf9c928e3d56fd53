// SPDX-License-Identifier: MIT
// docs/protocol.md in C++: written from the document alone, so that it shows whether that is complete.
// Nothing of the module's or the ring's headers is used here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace xvsock::hostile {

// The kinds of numbers in Xen's interfaces.
using domid = std::uint16_t;
using grant_ref = std::uint32_t;
using event_number = std::uint32_t;

inline constexpr std::size_t page_size = 4096;

// Section 1: states of a half of the link.
enum class bus_state : unsigned {
    unknown = 0,
    initialising = 1,
    init_wait = 2,
    initialised = 3,
    connected = 4,
    closing = 5,
    closed = 6,
};

inline constexpr unsigned protocol_version = 1;

// Section 2: offsets in a shared page.
namespace offset {
inline constexpr std::size_t left_cons = 0;
inline constexpr std::size_t left_prod = 4;
inline constexpr std::size_t right_cons = 8;
inline constexpr std::size_t right_prod = 12;
inline constexpr std::size_t left_order = 16;
inline constexpr std::size_t right_order = 18;
inline constexpr std::size_t cli_live = 20;
inline constexpr std::size_t srv_live = 21;
inline constexpr std::size_t cli_notify = 22;
inline constexpr std::size_t srv_notify = 23;
inline constexpr std::size_t grants = 24;
inline constexpr std::size_t small_ring = 1024; // of order 10
inline constexpr std::size_t large_ring = 2048; // of order 11
// Section 4: beside vchan's own; the same for right at share_right.
inline constexpr std::size_t share_left = 512;
inline constexpr std::size_t share_right = 576;
inline constexpr std::size_t share_limit = 0;
inline constexpr std::size_t share_moved_at = 4;
inline constexpr std::size_t share_moved = 8;
} // namespace offset

inline constexpr std::uint16_t order_small = 10;
inline constexpr std::uint16_t order_large = 11;
inline constexpr std::uint16_t order_page = 12;
inline constexpr std::uint16_t order_max = 20;
inline constexpr std::uint32_t least_limit = 4096;

// Pages that a ring of section 5 takes.
constexpr std::uint32_t ring_pages(std::uint16_t order) {
    return std::uint32_t{1} << (order - order_page);
}

inline constexpr std::uint8_t tell_when_written = 1;
inline constexpr std::uint8_t tell_when_read = 2;

namespace live {
inline constexpr std::uint8_t closed = 0;
inline constexpr std::uint8_t open = 1;
inline constexpr std::uint8_t waiting = 2;
inline constexpr std::uint8_t no_send = 0x10;
inline constexpr std::uint8_t no_receive = 0x20;
inline constexpr std::uint8_t reset = 0x40;
} // namespace live

// Section 3.
namespace op {
inline constexpr std::uint8_t request = 1;
inline constexpr std::uint8_t response = 2;
inline constexpr std::uint8_t reset = 3;
inline constexpr std::uint8_t want = 4;
inline constexpr std::uint8_t grow = 5;
inline constexpr std::uint8_t grown = 6;
inline constexpr std::uint8_t release = 7;
inline constexpr std::uint8_t released = 8;
} // namespace op

namespace reason {
inline constexpr std::uint32_t none = 0;
inline constexpr std::uint32_t refused = 1;
inline constexpr std::uint32_t limit = 2;
inline constexpr std::uint32_t invalid = 3;
inline constexpr std::uint32_t out_of_memory = 4;
} // namespace reason

inline constexpr std::uint16_t type_stream = 1;
inline constexpr unsigned request_window = 16;

struct message {
    std::uint8_t op = 0;
    std::uint8_t version = protocol_version;
    std::uint16_t type = 0;
    std::uint32_t id = 0;
    std::uint32_t src_port = 0;
    std::uint32_t dst_port = 0;
    grant_ref ring_ref = 0;
    event_number event_channel = 0;
    std::uint16_t left_order = 0;
    std::uint16_t right_order = 0;
    std::uint32_t reason = 0;
};

// RELEASE or RELEASED.
inline message vchan_message(std::uint8_t op, grant_ref ref) {
    message what;
    what.op = op;
    what.ring_ref = ref;
    return what;
}

static_assert(sizeof(message) == 32);
static_assert(offsetof(message, id) == 4 && offsetof(message, src_port) == 8 &&
              offsetof(message, dst_port) == 12 && offsetof(message, ring_ref) == 16 &&
              offsetof(message, event_channel) == 20 && offsetof(message, left_order) == 24 &&
              offsetof(message, right_order) == 26 && offsetof(message, reason) == 28);

} // namespace xvsock::hostile
