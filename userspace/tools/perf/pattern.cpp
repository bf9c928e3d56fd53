// SPDX-License-Identifier: MIT
#include "perf/pattern.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace xvsock::perf {

static_assert(std::endian::native == std::endian::little, "words are stored as they lie in memory");

// SplitMix64: a counter and a mixing function, which is what makes random access possible.
std::uint64_t pattern::word_at(std::uint64_t index) const {
    std::uint64_t word = seed_ + (index + 1) * 0x9e3779b97f4a7c15;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9;
    word = (word ^ (word >> 27)) * 0x94d049bb133111eb;
    return word ^ (word >> 31);
}

void pattern::fill(std::uint64_t offset, std::span<std::byte> data) const {
    while (!data.empty()) {
        const unsigned skip = offset % 8;
        const std::uint64_t word = word_at(offset / 8) >> (8 * skip);
        const std::size_t length = std::min<std::size_t>(8 - skip, data.size());
        std::memcpy(data.data(), &word, length);
        data = data.subspan(length);
        offset += length;
    }
}

std::optional<mismatch> pattern::check(std::uint64_t offset, std::span<const std::byte> data) const {
    while (!data.empty()) {
        const unsigned skip = offset % 8;
        const std::uint64_t word = word_at(offset / 8) >> (8 * skip);
        const std::size_t length = std::min<std::size_t>(8 - skip, data.size());
        if (std::memcmp(data.data(), &word, length) != 0) {
            std::byte expected[8];
            std::memcpy(expected, &word, sizeof expected);
            const auto at =
                std::size_t(std::mismatch(expected, expected + length, data.begin()).first - expected);
            return mismatch{offset + at, std::uint8_t(expected[at]), std::uint8_t(data[at])};
        }
        data = data.subspan(length);
        offset += length;
    }
    return std::nullopt;
}

} // namespace xvsock::perf
