// SPDX-License-Identifier: MIT
/// What the daemon has to say: one line for each event, of key=value words, to standard error.
#pragma once

#include <fmt/format.h>
#include <string>
#include <string_view>
#include <type_traits>

namespace xvsock::peer {

enum class level { info, warning, error };

/// The value as it stands in a line: in double quotes when it has blanks or quotes or is empty. Control
/// characters become '?'.
std::string quote(std::string_view value);

/// With the journal's priority in front of each line when standard error goes there.
void write_line(level how, const std::string& line);

/// log(level::info, "link-made", "a", 1, "b", name): level=info event=link-made a=1 b="my domain"
template <typename... Fields> void log(level how, std::string_view event, const Fields&... fields) {
    static_assert(sizeof...(fields) % 2 == 0);
    constexpr std::string_view names[] = {"info", "warning", "error"};
    std::string line = fmt::format("level={} event={}", names[unsigned(how)], event);
    bool is_key = true;
    const auto add = [&](const auto& one) {
        const std::string text = fmt::format("{}", one);
        line += is_key ? " " + text + "=" : quote(text);
        is_key = !is_key;
    };
    (add(fields), ...);
    write_line(how, line);
}

} // namespace xvsock::peer
