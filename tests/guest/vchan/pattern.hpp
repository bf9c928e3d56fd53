// SPDX-License-Identifier: MIT
// The same bytes in both domains, without end.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include <boost/asio/buffer.hpp>

namespace xvsock::guest {

class pattern {
public:
    pattern() : bytes_(period) {
        std::mt19937 random(1);
        std::generate(bytes_.begin(), bytes_.end(), [&] { return static_cast<char>(random()); });
    }

    /// What is there, at most so much, and at least one byte.
    [[nodiscard]] boost::asio::const_buffer at(std::uint64_t offset, std::uint64_t most) const {
        const auto begin = static_cast<std::size_t>(offset % period);
        return boost::asio::buffer(bytes_.data() + begin,
                                   static_cast<std::size_t>(std::min<std::uint64_t>(most, period - begin)));
    }

    [[nodiscard]] bool is_at(std::uint64_t offset, const char* data, std::size_t size) const {
        for (std::size_t done = 0; done < size;) {
            const auto part = at(offset + done, size - done);
            if (std::memcmp(part.data(), data + done, part.size()) != 0)
                return false;
            done += part.size();
        }
        return true;
    }

private:
    static constexpr std::size_t period = 1'000'003; // no ring's size divides it
    std::vector<char> bytes_;
};

} // namespace xvsock::guest
