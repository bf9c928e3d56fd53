// SPDX-License-Identifier: MIT
/// Seeded pseudo-random data whose content at any offset is computed independently, so that a receiver can
/// check each byte without having kept what was sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace xvsock::perf {

/// The first byte that differs.
struct mismatch {
    std::uint64_t offset = 0; ///< in bytes from the start of the test's data in this direction
    std::uint8_t expected = 0;
    std::uint8_t actual = 0;

    bool operator==(const mismatch&) const = default;
};

class pattern {
public:
    explicit pattern(std::uint64_t seed) : seed_(seed) {}

    /// Writes what the stream holds from `offset` on.
    void fill(std::uint64_t offset, std::span<std::byte> data) const;

    /// Compares each byte with what the stream holds from `offset` on.
    std::optional<mismatch> check(std::uint64_t offset, std::span<const std::byte> data) const;

private:
    std::uint64_t word_at(std::uint64_t index) const;

    std::uint64_t seed_;
};

} // namespace xvsock::perf
