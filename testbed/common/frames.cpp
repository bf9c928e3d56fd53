// SPDX-License-Identifier: MIT
#include "common/frames.hpp"

#include <array>
#include <stdexcept>

#include <boost/endian/conversion.hpp>

namespace xvsock::testbed {

namespace {

// Header: magic, kind, name length, one byte of zero, payload length in little endian.
constexpr std::size_t header_size = 8;
constexpr char magic = '\x7e';

} // namespace

std::string encode(const frame& message) {
    if (message.name.size() > 255 || message.payload.size() > frame::max_payload)
        throw std::length_error("frame too long");
    std::array<unsigned char, 4> length{};
    boost::endian::store_little_u32(length.data(), static_cast<std::uint32_t>(message.payload.size()));
    std::string bytes;
    bytes.reserve(header_size + message.name.size() + message.payload.size());
    bytes.push_back(magic);
    bytes.push_back(static_cast<char>(message.kind));
    bytes.push_back(static_cast<char>(message.name.size()));
    bytes.push_back('\0');
    bytes.append(length.begin(), length.end());
    bytes += message.name;
    bytes += message.payload;
    return bytes;
}

std::optional<frame> frame_decoder::next() {
    if (pending_.size() < header_size)
        return std::nullopt;
    const auto* raw = reinterpret_cast<const unsigned char*>(pending_.data());
    const auto name_size = static_cast<std::size_t>(raw[2]);
    const std::size_t payload_size = boost::endian::load_little_u32(raw + 4);
    const bool known_kind = raw[1] >= 1 && raw[1] <= static_cast<unsigned char>(frame_kind::command);
    if (pending_[0] != magic || raw[3] != 0 || !known_kind || payload_size > frame::max_payload)
        throw std::runtime_error("the channel to dom0 carries bytes that are not frames");
    const std::size_t total = header_size + name_size + payload_size;
    if (pending_.size() < total)
        return std::nullopt;
    frame message{static_cast<frame_kind>(raw[1]), pending_.substr(header_size, name_size),
                  pending_.substr(header_size + name_size, payload_size)};
    pending_.erase(0, total);
    return message;
}

} // namespace xvsock::testbed
