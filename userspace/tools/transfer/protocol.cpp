// SPDX-License-Identifier: MIT
#include "transfer/protocol.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace xvsock::transfer {

namespace {

constexpr std::string_view magic = "xvfile";

template <typename Number> void append(bytes& to, Number number) {
    for (unsigned i = 0; i < sizeof number; ++i)
        to.push_back((number >> (8 * i)) & 0xffU);
}

template <typename Number> Number read(byte_view from, std::size_t at) {
    Number number = 0;
    for (unsigned i = 0; i < sizeof number; ++i)
        number |= Number(Number(from[at + i]) << (8 * i));
    return number;
}

std::uint64_t read_size(byte_view from, std::size_t at) {
    const auto size = read<std::uint64_t>(from, at);
    if (size > std::uint64_t{INT64_MAX})
        throw protocol_error(fmt::format("a size of {} bytes, which no file can have", size));
    return size;
}

void append(bytes& to, const digest& sum) {
    to.insert(to.end(), sum.begin(), sum.end());
}

digest read_digest(byte_view from, std::size_t at) {
    digest sum{};
    std::copy_n(from.begin() + std::ptrdiff_t(at), sum.size(), sum.begin());
    return sum;
}

struct body_limits {
    std::size_t least, most;
};

body_limits limits_of(message_kind kind) {
    switch (kind) {
    case message_kind::offer:
        return {13, 12 + max_name};
    case message_kind::have:
        return {40, 40};
    case message_kind::start:
        return {8, 8};
    case message_kind::data:
        return {1, max_body};
    case message_kind::end:
    case message_kind::done:
        return {32, 32};
    case message_kind::refuse:
    case message_kind::failure:
        return {0, max_text};
    case message_kind::waiting:
        return {0, 0};
    }
    throw protocol_error(fmt::format("a message of the unknown kind {}", unsigned(kind)));
}

struct letter {
    std::uint32_t code;
    std::size_t size; ///< 0 for what is no UTF-8
};

/// What the text, which is not empty, begins with.
letter first_letter(std::string_view text) {
    constexpr letter none{.code = 0, .size = 0};
    const std::uint32_t lead = static_cast<unsigned char>(text[0]);
    if (lead < 0x80)
        return {.code = lead, .size = 1};
    const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc0 || lead > 0xf4 || text.size() < size)
        return none;
    std::uint32_t code = lead & (0x7fU >> size);
    for (const char next : text.substr(1, size - 1)) {
        if ((static_cast<unsigned char>(next) & 0xc0U) != 0x80)
            return none;
        code = code << 6U | (static_cast<unsigned char>(next) & 0x3fU);
    }
    constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return none;
    return {.code = code, .size = size};
}

/// C0 and C1: terminals obey both.
bool is_control(const letter& one) {
    return one.size != 0 && (one.code < 0x20 || (one.code >= 0x7f && one.code < 0xa0));
}

/// The letters of a text, in turn; a byte that is no UTF-8 is one.
template <typename Visit> void for_each_letter(std::string_view text, Visit visit) {
    while (!text.empty()) {
        const letter one = first_letter(text);
        const std::size_t size = std::max<std::size_t>(one.size, 1);
        visit(one, text.substr(0, size));
        text.remove_prefix(size);
    }
}

} // namespace

std::array<unsigned char, greeting_size> make_greeting() {
    std::array<unsigned char, greeting_size> greeting{};
    std::copy(magic.begin(), magic.end(), greeting.begin());
    greeting[6] = protocol_version & 0xffU;
    greeting[7] = protocol_version >> 8U;
    return greeting;
}

void check_greeting(byte_view greeting) {
    if (greeting.size() != greeting_size || !std::equal(magic.begin(), magic.end(), greeting.begin()))
        throw protocol_error("the other end is no xvsock send or recv");
    if (const auto version = read<std::uint16_t>(greeting, 6); version != protocol_version)
        throw protocol_error(
            fmt::format("the other end speaks version {} of the protocol, this one version {}", version,
                        protocol_version));
}

std::array<unsigned char, header_size> make_header(message_kind kind, std::size_t size) {
    std::array<unsigned char, header_size> text{};
    text[0] = static_cast<unsigned char>(kind);
    for (unsigned i = 0; i < 4; ++i)
        text[4 + i] = (size >> (8 * i)) & 0xffU;
    return text;
}

header parse_header(byte_view text) {
    const header parsed{.kind = message_kind(text[0]), .size = read<std::uint32_t>(text, 4)};
    const auto limits = limits_of(parsed.kind);
    if (text[1] != 0 || text[2] != 0 || text[3] != 0)
        throw protocol_error("a message whose reserved bytes are not 0");
    if (parsed.size < limits.least || parsed.size > limits.most)
        throw protocol_error(fmt::format("a message of kind {} with {} bytes", text[0], parsed.size));
    return parsed;
}

bytes make_offer(const offer_body& offer) {
    bytes body;
    append(body, offer.size);
    append(body, offer.mode);
    body.insert(body.end(), offer.name.begin(), offer.name.end());
    return body;
}

bytes make_have(const have_body& have) {
    bytes body;
    append(body, have.size);
    append(body, have.sum);
    return body;
}

bytes make_start(std::uint64_t offset) {
    bytes body;
    append(body, offset);
    return body;
}

bytes make_digest(const digest& sum) {
    return {sum.begin(), sum.end()};
}

bytes make_text(std::string_view text) {
    const auto cut = text.substr(0, max_text);
    return {cut.begin(), cut.end()};
}

// parse_header() has checked the sizes of the bodies.

offer_body parse_offer(byte_view body) {
    return {.size = read_size(body, 0),
            .mode = read<std::uint32_t>(body, 8) & 0777U,
            .name = std::string(body.begin() + 12, body.end())};
}

have_body parse_have(byte_view body) {
    return {.size = read_size(body, 0), .sum = read_digest(body, 8)};
}

std::uint64_t parse_start(byte_view body) {
    return read_size(body, 0);
}

digest parse_digest(byte_view body) {
    return read_digest(body, 0);
}

std::string parse_text(byte_view body) {
    return printable(std::string(body.begin(), body.end()));
}

std::string objection_to_name(std::string_view name) {
    if (name.empty())
        return "it is empty";
    if (name.size() > max_name)
        return fmt::format("it has {} bytes, and may have {}", name.size(), max_name);
    if (name.find('/') != std::string_view::npos)
        return "it has a slash";
    bool has_control = false, is_text = true;
    for_each_letter(name, [&](const letter& one, std::string_view) {
        has_control = has_control || is_control(one);
        is_text = is_text && one.size != 0;
    });
    if (has_control)
        return "it has a control character";
    if (!is_text)
        return "it is no UTF-8";
    if (name.front() == '.') // also . and .. and what a shell would read one day
        return "it begins with a dot";
    if (name.ends_with(".part"))
        return "what ends in .part is a file that is not complete";
    return "";
}

std::string printable(std::string_view text) {
    std::string safe;
    for_each_letter(text, [&](const letter& one, std::string_view itself) {
        safe += one.size == 0 || is_control(one) ? "?" : itself;
    });
    return safe;
}

} // namespace xvsock::transfer
