// SPDX-License-Identifier: MIT
/// What hooks ask first.
#pragma once

#include "socket_table.hpp"

#include <cerrno>

namespace xvsock::preload {

/// What is known of the descriptor; null for what is not ours. errno stays.
inline state_pointer state_of(int descriptor) {
    auto& table = socket_table::instance();
    if (!table.knows(descriptor))
        return nullptr;
    const auto held = table.lock();
    return table.find(descriptor);
}

/// Likewise, and null unless it is of that kind.
inline state_pointer state_of(int descriptor, kind what) {
    auto state = state_of(descriptor);
    return state && state->what == what ? state : nullptr;
}

/// A new descriptor that is nothing of ours. It may have been, and have been closed unseen.
inline int untracked(int descriptor) {
    auto& table = socket_table::instance();
    if (table.knows(descriptor)) {
        const auto held = table.lock();
        table.drop(descriptor);
    }
    return descriptor;
}

inline int fail(int error) {
    errno = error;
    return -1;
}

} // namespace xvsock::preload
