// SPDX-License-Identifier: MIT
// What the file server and its client say to each other.
//
//   client: GET OFFSET CHECKSUM NAME\n   OFFSET bytes of it are there already; their CRC-32 in hexadecimal
//   digits server: OK SIZE\n                    and SIZE - OFFSET bytes, and CHECKSUM\n, of the whole file
//           CHANGED\n                    what the client has is no beginning of the file
//           ERROR WHY\n
#pragma once

#include <boost/crc.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace file_transfer {

inline constexpr std::size_t chunk = 256U << 10U;
inline constexpr std::size_t max_line = 4096;

using checksum = boost::crc_32_type;

inline std::string to_text(const checksum& sum) {
    std::ostringstream text;
    text << std::hex << sum.checksum();
    return text.str();
}

/// Of the first `size` bytes. Leaves the file's position behind them.
inline checksum checksum_of(std::istream& file, std::uint64_t size) {
    checksum sum;
    std::vector<char> data(chunk);
    while (size > 0) {
        file.read(data.data(), static_cast<std::streamsize>(std::min<std::uint64_t>(chunk, size)));
        if (file.gcount() == 0)
            throw std::runtime_error("the file has become shorter");
        sum.process_bytes(data.data(), static_cast<std::size_t>(file.gcount()));
        size -= static_cast<std::uint64_t>(file.gcount());
    }
    return sum;
}

} // namespace file_transfer
