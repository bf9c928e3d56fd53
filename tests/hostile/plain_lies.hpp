// SPDX-License-Identifier: MIT
// In which way a vchan of plain-liar is wrong. Each is at its own port, this one and its number.
#pragma once

#include <cstdint>

namespace xvsock::hostile {

inline constexpr std::uint32_t first_lie_port = 300;

enum class plain_lie : std::uint32_t {
    // Of a server, whose client the module is:
    no_page,           // the grant is none
    no_port,           // the event channel is none
    no_numbers,        // xenstore has words
    closed,            // the server has gone
    order_zero,        // rings of one byte
    order_huge,        // of 2 MiB
    same_small_orders, // both in the same place of the page
    no_grants,         // the rings' own pages are not granted
    producer,          // more was written than the ring holds
    consumer,          // more was read than was written
    strange_live,      // the live byte has bits that libxenvchan does not know
    flipping,          // the live byte changes without end
    storm,             // events for nothing
    // Of a client, whose server the module is:
    client_producer,
    client_consumer,
    client_silent,   // has the page and the port, and does not kick
    client_portless, // has only the page
    client_pageless, // has only the port
    client_keeps,    // keeps the pages for two seconds
    client_flood,    // comes and goes
    count,
};

} // namespace xvsock::hostile
