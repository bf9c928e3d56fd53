// SPDX-License-Identifier: MIT
// A way for bytes between the two processes. It is made before the fork; then each side settles in its copy.
#pragma once

#include "process.hpp"

#include <concepts>
#include <cstddef>
#include <span>

#include <sys/types.h>

namespace xvsock::bench {

using bytes = std::span<std::byte>;
using const_bytes = std::span<const std::byte>;

/// What a side does when it can neither send nor receive.
enum class waiting {
    spins,    ///< looks again and again
    blocks,   ///< sleeps at once
    adaptive, ///< looks for a while, then sleeps: what the module does
};

template <class T>
concept way = requires(T here, side which, pid_t peer, const_bytes out, bytes in) {
    here.settle(which, peer);
    here.send(out);   // all of it
    here.receive(in); // likewise
};

/// Between two looks. What the module calls cpu_relax().
inline void relax() {
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}

} // namespace xvsock::bench
