// SPDX-License-Identifier: MIT
#include "domains.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace xvsock::peer {

namespace {

std::string describe_all(const std::vector<domain>& known) {
    std::string text;
    for (const domain& one : known)
        text += fmt::format("{}{}", text.empty() ? "" : ", ", describe(one.id, known));
    return text.empty() ? "there are none" : "there are " + text;
}

} // namespace

std::optional<domid> parse_domid(std::string_view text) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number >= first_reserved_domid)
        return std::nullopt;
    return domid(number);
}

std::vector<domain> list_domains(const xenstore::view& store) {
    std::vector<domain> domains;
    for (const std::string& child : store.list("/local/domain").value_or(std::vector<std::string>{}))
        if (const auto id = parse_domid(child))
            domains.push_back({*id, store.read(fmt::format("/local/domain/{}/name", *id)).value_or("")});
    std::sort(domains.begin(), domains.end(), [](const domain& a, const domain& b) { return a.id < b.id; });
    return domains;
}

domid resolve_domain(std::string_view text, const std::vector<domain>& known) {
    constexpr std::string_view name_prefix = "name:";
    const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
    if (digits) {
        if (const auto id = parse_domid(text))
            return *id;
        throw domain_error(
            fmt::format("domid {} is out of range, from 0 to {}; a domain of that name is written {}{}", text,
                        first_reserved_domid - 1, name_prefix, text));
    }
    const auto name = text.starts_with(name_prefix) ? text.substr(name_prefix.size()) : text;
    if (name.empty())
        throw domain_error("the name of a domain is empty");

    std::vector<domid> matches;
    for (const domain& one : known)
        if (one.name == name)
            matches.push_back(one.id);
    if (matches.empty())
        throw domain_error(fmt::format("no domain is named '{}'; {}", name, describe_all(known)));
    if (matches.size() > 1)
        throw domain_error(fmt::format("{} domains are named '{}': give one of the domids {}", matches.size(),
                                       name, fmt::join(matches, ", ")));
    return matches.front();
}

void require_domain(domid id, const std::vector<domain>& known) {
    if (std::none_of(known.begin(), known.end(), [&](const domain& one) { return one.id == id; }))
        throw domain_error(fmt::format("there is no domain {}; {}", id, describe_all(known)));
}

void require_still_there(const xenstore::view& store, domid id, const std::vector<domain>& known) {
    if (!store.exists(fmt::format("/local/domain/{}", id)))
        throw domain_error(fmt::format("domain {} has just gone", describe(id, known)));
}

std::string name_of(domid id, const std::vector<domain>& known) {
    for (const domain& one : known)
        if (one.id == id)
            return one.name;
    return {};
}

std::string describe(domid id, const std::vector<domain>& known) {
    const std::string name = name_of(id, known);
    return name.empty() ? fmt::format("{}", id) : fmt::format("{} ({})", id, name);
}

} // namespace xvsock::peer
