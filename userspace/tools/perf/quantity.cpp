// SPDX-License-Identifier: MIT
#include "perf/quantity.hpp"

#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <stdexcept>

namespace xvsock::perf {

namespace {

constexpr std::string_view suffixes = "KMG";

[[noreturn]] void refuse_quantity(const std::string& message) {
    throw std::invalid_argument(message);
}

} // namespace

std::uint64_t parse_number(std::string_view text, std::string_view what, std::uint64_t max) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc::result_out_of_range)
        refuse_quantity(fmt::format("{} '{}' is too large, at most {}", what, text, max));
    if (error != std::errc{} || end != text.data() + text.size())
        refuse_quantity(fmt::format("{} '{}' is not a whole number", what, text));
    if (number > max)
        refuse_quantity(fmt::format("{} '{}' is too large, at most {}", what, text, max));
    return number;
}

std::uint64_t parse_size(std::string_view text) {
    std::string_view digits = text;
    unsigned shift = 0;
    if (!text.empty()) {
        const char last =
            text.back() >= 'a' && text.back() <= 'z' ? char(text.back() - 'a' + 'A') : text.back();
        if (const auto index = suffixes.find(last); index != std::string_view::npos) {
            shift = 10 * (unsigned(index) + 1);
            digits.remove_suffix(1);
        }
    }
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos)
        refuse_quantity(
            fmt::format("size '{}' is not a number of bytes; write it like 1, 1500, 64K, 1M or 2G", text));
    const std::uint64_t number = parse_number(digits, "size");
    if (number > (UINT64_MAX >> 1 >> shift))
        refuse_quantity(fmt::format("size '{}' is too large", text));
    return number << shift;
}

std::vector<std::uint32_t> parse_message_sizes(std::string_view text) {
    std::vector<std::uint32_t> sizes;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t comma = std::min(text.find(',', begin), text.size());
        const std::string_view element = text.substr(begin, comma - begin);
        const std::uint64_t size = parse_size(element);
        if (size < 1 || size > max_message_size)
            refuse_quantity(fmt::format("message size '{}' is out of range, from 1 byte to {}", element,
                                        format_size(max_message_size)));
        sizes.push_back(std::uint32_t(size));
        begin = comma + 1;
    }
    return sizes;
}

std::chrono::nanoseconds parse_seconds(std::string_view text, std::string_view what) {
    constexpr double min = 0.001, max = 86400;
    double seconds = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), seconds, std::chars_format::fixed);
    if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(seconds))
        refuse_quantity(fmt::format("{} '{}' is not a number of seconds", what, text));
    if (seconds < min || seconds > max)
        refuse_quantity(fmt::format("{} '{}' is out of range, from {} to {} seconds", what, text, min, max));
    return std::chrono::nanoseconds(std::int64_t(seconds * 1e9));
}

std::string format_size(std::uint64_t bytes) {
    for (unsigned index = suffixes.size(); index > 0; --index) {
        const unsigned shift = 10 * index;
        if (bytes != 0 && bytes % (std::uint64_t{1} << shift) == 0)
            return fmt::format("{}{}", bytes >> shift, suffixes[index - 1]);
    }
    return fmt::format("{}", bytes);
}

} // namespace xvsock::perf
