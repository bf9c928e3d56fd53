// SPDX-License-Identifier: MIT
// Well-formed messages of every kind, for the units.
#pragma once

#include <vsock_transport/message.h>

namespace xvsock::message_test {

inline xvsock_message request() {
    xvsock_message message{};
    message.op = XVSOCK_OP_REQUEST;
    message.version = 1;
    message.type = 1;
    message.id = 7;
    message.src_port = 1025;
    message.dst_port = 80;
    message.ring_ref = 345;
    message.event_channel = 21;
    message.left_order = 10;
    message.right_order = 11;
    return message;
}

/// One of the messages about a connection, or a vchan, that a REQUEST has begun.
inline xvsock_message later(xvsock_op op) {
    xvsock_message message{};
    message.op = static_cast<uint8_t>(op);
    message.version = 1;
    if (op == XVSOCK_OP_RELEASE || op == XVSOCK_OP_RELEASED) {
        message.ring_ref = 345;
        return message;
    }
    message.id = 7;
    if (op >= XVSOCK_OP_WANT && op <= XVSOCK_OP_GROWN)
        message.right_order = 18;
    if (op == XVSOCK_OP_GROW)
        message.ring_ref = 346;
    return message;
}

inline xvsock_message sample(xvsock_op op) {
    return op == XVSOCK_OP_REQUEST ? request() : later(op);
}

} // namespace xvsock::message_test
