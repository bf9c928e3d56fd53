// SPDX-License-Identifier: MIT
#include "port_set.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace xvsock::peer {

namespace {

std::uint32_t parse_port(std::string_view text) {
    std::uint32_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size())
        throw port_set_error(fmt::format(
            "'{}' is no port: a number from 0 to {} is wanted, a range as in 1-1023, or several with "
            "commas and no blanks between them, as in 22,1000-2000",
            text, last_port));
    return port;
}

port_range parse_range(std::string_view text) {
    const auto dash = text.find('-');
    if (dash == std::string_view::npos) {
        const auto port = parse_port(text);
        return {port, port};
    }
    const port_range range{parse_port(text.substr(0, dash)), parse_port(text.substr(dash + 1))};
    if (range.first > range.last)
        throw port_set_error(fmt::format("the range of ports {} ends before it begins: it would be {}-{}",
                                         text, range.last, range.first));
    return range;
}

} // namespace

bool port_set::contains(std::uint32_t port) const {
    return std::any_of(ranges_.begin(), ranges_.end(),
                       [&](const port_range& range) { return range.first <= port && port <= range.last; });
}

port_set operator|(const port_set& a, const port_set& b) {
    std::vector<port_range> both(a.ranges_);
    both.insert(both.end(), b.ranges_.begin(), b.ranges_.end());
    std::sort(both.begin(), both.end(),
              [](const port_range& x, const port_range& y) { return x.first < y.first; });
    port_set result;
    for (const port_range& range : both) {
        auto& done = result.ranges_;
        // Neighbours become one; the subtraction cannot wrap, for a range that begins at 0 has none below.
        if (!done.empty() && (range.first == 0 || range.first - 1 <= done.back().last))
            done.back().last = std::max(done.back().last, range.last);
        else
            done.push_back(range);
    }
    return result;
}

port_set operator-(const port_set& a, const port_set& b) {
    port_set result;
    for (port_range left : a.ranges_) {
        bool is_left = true;
        for (const port_range& cut : b.ranges_) {
            if (cut.last < left.first || cut.first > left.last)
                continue;
            if (cut.first > left.first)
                result.ranges_.push_back({left.first, cut.first - 1});
            is_left = cut.last < left.last;
            if (!is_left)
                break;
            left.first = cut.last + 1;
        }
        if (is_left)
            result.ranges_.push_back(left);
    }
    return result;
}

port_set parse_port_set(std::string_view text) {
    port_set ports;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        ports = ports | port_set(parse_range(text.substr(begin, end - begin)));
        begin = end + 1;
    }
    return ports;
}

std::string too_many_for_a_link(const port_set& ports) {
    const auto count = ports.ranges().size(), length = to_string(ports).size();
    if (count > most_port_ranges)
        return fmt::format("{} ranges of ports, and a link can be held to {}", count, most_port_ranges);
    if (length > longest_port_text)
        return fmt::format("{} characters of ports, and a link can be held to {}", length, longest_port_text);
    return "";
}

std::string to_string(const port_set& ports) {
    if (ports.empty())
        return "none";
    if (ports == port_set::all())
        return "any";
    std::string text;
    for (const auto [first, last] : ports.ranges()) {
        text += fmt::format("{}{}", text.empty() ? "" : ",", first);
        if (first != last)
            text += fmt::format("-{}", last);
    }
    return text;
}

} // namespace xvsock::peer
