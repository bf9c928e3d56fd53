// SPDX-License-Identifier: MIT
// The fuzzer's bytes, taken from the front, so that seeds can be written by hand. After the end come zeros.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

namespace xvsock::fuzz {

class input {
public:
    input(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}

    [[nodiscard]] bool empty() const { return rest_.empty(); }

    /// An integer of its size in bytes, little-endian.
    template <class Number> Number take() {
        Number value{};
        take_bytes(&value, sizeof value);
        return value;
    }

    void take_bytes(void* to, std::size_t size) {
        const auto count = std::min(size, rest_.size());
        std::memset(to, 0, size);
        if (count != 0)
            std::memcpy(to, rest_.data(), count);
        rest_ = rest_.subspan(count);
    }

private:
    std::span<const std::uint8_t> rest_;
};

/// What must hold. Not assert(): that is gone in a release build.
inline void require(bool holds, const char* what) {
    if (holds)
        return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

} // namespace xvsock::fuzz
