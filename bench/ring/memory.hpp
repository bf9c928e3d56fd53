// SPDX-License-Identifier: MIT
// Memory for both processes: by memfd, the same pages in both, as granted pages are; or with a copy of its
// own in each.
#pragma once

#include "process.hpp"

#include <cstddef>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

namespace xvsock::bench {

enum class sharing { shared, separate };

class memory {
public:
    memory(std::size_t size, sharing how) : size_(size) {
        const int fd = how == sharing::shared ? ::memfd_create("xvsock-ring-bench", MFD_CLOEXEC) : -1;
        if (how == sharing::shared && (fd < 0 || ::ftruncate(fd, static_cast<off_t>(size)) != 0))
            fail("memfd_create");
        void* at =
            ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                   MAP_POPULATE | (how == sharing::shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS), fd, 0);
        if (fd >= 0)
            ::close(fd);
        if (at == MAP_FAILED)
            fail("mmap");
        at_ = static_cast<std::byte*>(at);
    }
    memory(memory&& other) noexcept
        : size_(std::exchange(other.size_, 0)), at_(std::exchange(other.at_, nullptr)) {}
    memory(const memory&) = delete;
    memory& operator=(const memory&) = delete;
    memory& operator=(memory&&) = delete;
    ~memory() {
        if (at_ != nullptr)
            ::munmap(at_, size_);
    }

    [[nodiscard]] std::byte* get() const { return at_; }

private:
    std::size_t size_;
    std::byte* at_;
};

} // namespace xvsock::bench
