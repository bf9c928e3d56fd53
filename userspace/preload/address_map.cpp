// SPDX-License-Identifier: MIT
#include "address_map.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include <arpa/inet.h>

namespace xvsock::preload {

namespace {

constexpr std::uint32_t network4 = 0xc6120000;  // 198.18.0.0/15, that for measurements (RFC 2544)
constexpr std::uint32_t loopback4 = 0x7f120000; // 127.18.0.0/15
constexpr std::uint32_t cid4_mask = 0x1ffff;    // both are as large
constexpr std::array<std::uint8_t, 12> network6{0xfd, 0x78, 0x76, 0x73, 0x6f, 0x63, 0x6b, 0, 0, 0, 0, 0};
constexpr std::array<std::uint8_t, 12> mapped4{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::uint32_t low_word(const in6_addr& address) {
    std::uint32_t word = 0;
    std::memcpy(&word, address.s6_addr + 12, sizeof word);
    return ntohl(word);
}

in6_addr joined(const std::array<std::uint8_t, 12>& high, std::uint32_t low) {
    in6_addr address{};
    std::memcpy(address.s6_addr, high.data(), high.size());
    low = htonl(low);
    std::memcpy(address.s6_addr + 12, &low, sizeof low);
    return address;
}

bool begins_with(const in6_addr& address, const std::array<std::uint8_t, 12>& high) {
    return std::memcmp(address.s6_addr, high.data(), high.size()) == 0;
}

bool same(const in6_addr& a, const in6_addr& b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

std::optional<in6_addr> parse(const std::string& text) {
    in6_addr address{};
    if (in_addr four{}; ::inet_pton(AF_INET, text.c_str(), &four) == 1)
        return joined(mapped4, ntohl(four.s_addr));
    if (::inet_pton(AF_INET6, text.c_str(), &address) == 1)
        return address;
    return std::nullopt;
}

/// Any address as one of IPv6.
std::optional<in6_addr> widened(const sockaddr* address, socklen_t size) {
    if (address == nullptr || size < static_cast<socklen_t>(sizeof(sa_family_t)))
        return std::nullopt;
    if (address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
        sockaddr_in four{};
        std::memcpy(&four, address, sizeof four);
        return joined(mapped4, ntohl(four.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6 && size >= 24) { // without the scope, as RFC 2133 had it
        sockaddr_in6 six{};
        std::memcpy(&six, address, 24);
        return six.sin6_addr;
    }
    return std::nullopt;
}

/// For a socket of that family.
sockaddr_storage narrowed(const in6_addr& wide, int family, std::uint16_t port) {
    sockaddr_storage address{};
    if (family == AF_INET) {
        sockaddr_in four{};
        four.sin_family = AF_INET;
        four.sin_port = htons(port);
        four.sin_addr.s_addr = htonl(low_word(wide));
        std::memcpy(&address, &four, sizeof four);
    } else {
        sockaddr_in6 six{};
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(port);
        six.sin6_addr = wide;
        std::memcpy(&address, &six, sizeof six);
    }
    return address;
}

std::string text_of(const in6_addr& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (begins_with(address, mapped4))
        ::inet_ntop(AF_INET, address.s6_addr + 12, text.data(), text.size());
    else
        ::inet_ntop(AF_INET6, &address, text.data(), text.size());
    return text.data();
}

} // namespace

address_map::address_map(std::string_view text) {
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        read_line(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

const address_map& address_map::of_environment() {
    static const auto& map = *new address_map([] {
        const char* const text = std::getenv(map_variable);
        return text == nullptr ? "" : text;
    }());
    return map;
}

void address_map::read_line(std::string_view line) {
    const auto word = [&line] {
        const auto end = std::min(line.find(' '), line.size());
        const auto found = line.substr(0, end);
        line.remove_prefix(std::min(end + 1, line.size()));
        return found;
    };
    const auto what = word();
    const auto number = word();
    std::uint32_t cid = 0;
    if (std::from_chars(number.data(), number.data() + number.size(), cid).ec != std::errc{})
        return;
    if (what == "own")
        own_ = cid;
    else if (what == "peer" && !line.empty())
        peers_.push_back({cid, std::string(line)});
    else if (what == "address")
        if (const auto address = parse(std::string(line)))
            addresses_.push_back({cid, *address});
}

std::optional<std::uint32_t> address_map::cid_of(const sockaddr* address, socklen_t size) const {
    const auto wide = widened(address, size);
    if (!wide)
        return std::nullopt;
    for (const auto& one : addresses_)
        if (same(one.address, *wide))
            return one.cid;
    const std::uint32_t low = low_word(*wide);
    if (begins_with(*wide, mapped4) && (low & ~cid4_mask) == network4 && (low & cid4_mask) != 0)
        return low & cid4_mask;
    if (begins_with(*wide, network6) && low != 0)
        return low;
    return std::nullopt;
}

sockaddr_storage address_map::address_of(std::uint32_t cid, int family, std::uint16_t port,
                                         bool only6) const {
    in6_addr wide = cid <= cid4_mask && !only6 ? joined(mapped4, network4 | cid) : joined(network6, cid);
    for (const auto& one : addresses_) {
        const bool is_four = begins_with(one.address, mapped4);
        if (one.cid == cid && (is_four ? !only6 : family == AF_INET6)) {
            wide = one.address;
            break;
        }
    }
    return narrowed(wide, family, port);
}

sockaddr_storage address_map::own_on_loopback(int family, std::uint16_t port) const {
    return narrowed(joined(mapped4, loopback4 | (own_ & cid4_mask)), family, port);
}

bool address_map::is_own_on_loopback(const sockaddr* address, socklen_t size) const {
    const auto wide = widened(address, size);
    return own_ != 0 && wide && same(*wide, joined(mapped4, loopback4 | (own_ & cid4_mask)));
}

std::optional<std::string> address_map::find(std::string_view name, int family) const {
    for (const auto& one : peers_) {
        if (one.name != name)
            continue;
        if (family == AF_INET6)
            return text_of(joined(network6, one.cid));
        const auto address = address_of(one.cid, AF_INET, 0);
        sockaddr_in four{};
        std::memcpy(&four, &address, sizeof four);
        return text_of(joined(mapped4, ntohl(four.sin_addr.s_addr)));
    }
    return std::nullopt;
}

const std::string* address_map::name_of(std::uint32_t cid) const {
    const auto found =
        std::find_if(peers_.begin(), peers_.end(), [&](const peer& one) { return one.cid == cid; });
    return found == peers_.end() ? nullptr : &found->name;
}

} // namespace xvsock::preload
