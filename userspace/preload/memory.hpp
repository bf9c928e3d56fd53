// SPDX-License-Identifier: MIT
/// The program's pointers, which the kernel would answer with EFAULT where we would crash.
#pragma once

#include <cerrno>
#include <cstdint>

#include <sys/syscall.h>
#include <unistd.h>

namespace xvsock::preload {

/// Whether there is something to read at the pointer. The kernel looks at the set before it refuses what to
/// do with it. errno stays.
inline bool is_memory(const void* pointer) {
    constexpr int nothing_to_do = ~0;
    constexpr std::size_t set_size = 8;
    const auto word = reinterpret_cast<std::uintptr_t>(pointer) & ~(set_size - 1); // within one page
    const int error = errno;
    const bool is_there =
        word != 0 &&
        (::syscall(SYS_rt_sigprocmask, nothing_to_do, word, nullptr, set_size) == 0 || errno == EINVAL);
    errno = error;
    return is_there;
}

} // namespace xvsock::preload
