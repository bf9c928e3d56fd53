// SPDX-License-Identifier: MIT
/// A domain's UUID: what stays the same when its domid and its name do not.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace xvsock::peer {

/// The UUID in lower case, without a value when the text is none.
inline std::optional<std::string> parse_uuid(std::string_view text) {
    constexpr std::string_view form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (text.size() != form.size())
        return std::nullopt;
    std::string uuid;
    for (std::size_t i = 0; i < form.size(); ++i) {
        const char c = text[i] >= 'A' && text[i] <= 'F' ? char(text[i] - 'A' + 'a') : text[i];
        const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (form[i] == '-' ? c != '-' : !hex)
            return std::nullopt;
        uuid += c;
    }
    return uuid;
}

} // namespace xvsock::peer
