// SPDX-License-Identifier: MIT
// Holds a socket's lock in the kernel, as an ordinary user can, for as long as he
// likes: setsockopt() reads its argument under that lock, and here from a page
// that userfaultfd does not yet deliver.
#pragma once

#include <thread>

#include "vsock_socket.hpp"

namespace xvsock::guest {

class held_lock {
public:
    explicit held_lock(int socket); // returns when the lock is held
    held_lock(const held_lock&) = delete;
    held_lock& operator=(const held_lock&) = delete;
    ~held_lock(); // returns when it is given back

private:
    descriptor faults_;
    void* page_;
    std::thread holder_;
};

} // namespace xvsock::guest
