// SPDX-License-Identifier: MIT
// How a stream test has the other end of its connections do what it needs: a
// control connection to service::remote, on which every command is answered in
// order. Behind each control connection there is a process of its own, with
// sockets in numbered slots, which ends with it.
#pragma once

#include <cstdint>

namespace xvsock::guest {

enum class remote_op : std::uint32_t {
    listen,     // slot := a socket that listens; number: backlog, size: its buffer, or 0; result: the port
    connect,    // slot := a socket connected to port `position` of the commander; size: its buffer, or 0
    accept,     // slot := a socket accepted from the listener in slot `number`
    send,       // `size` bytes of pattern() from `position` on; number: flags; result: bytes sent
    send_ones,  // likewise, by one-byte calls
    receive,    // up to `size` bytes, compared with pattern() from `position` on; result: bytes received
    drain,      // likewise, to the end of input; without an error the answer's is 0
    echo,       // sends back all that comes, up to the end of input
    shut,       // shutdown(slot, number)
    close,      // closes the slot
    set_buffer, // SO_VM_SOCKETS_BUFFER_SIZE := size, with MIN and MAX as needed
    linger,     // SO_LINGER with `number` seconds
    poll,       // waits up to `size` ms for the events `number`; result: those that came
    names,      // the answer's addresses
    lock,       // holds the lock of the slot's socket, until `unlock`
    unlock,
    pid,  // result: the process behind this control connection
    kill, // sends the signal `number` to the process `position`
};

struct remote_command {
    remote_op op;
    std::uint32_t slot;
    std::uint64_t size;
    std::uint64_t position;
    std::int64_t number;
};

struct remote_answer {
    std::int64_t result; // -1: failed
    std::int32_t error;  // the errno, or 0
    std::uint32_t wrong; // bytes that differ from pattern()
    std::uint32_t cid, port, peer_cid, peer_port;
};

} // namespace xvsock::guest
