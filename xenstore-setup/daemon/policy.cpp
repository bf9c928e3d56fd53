// SPDX-License-Identifier: MIT
#include "policy.hpp"

#include <algorithm>

#include <fnmatch.h>

namespace xvsock::peer {

namespace {

match yes_if(bool condition) {
    return condition ? match::yes : match::no;
}

template <typename Number> void lower(std::optional<Number>& limit, const std::optional<Number>& other) {
    if (other && (!limit || *other < *limit))
        limit = other;
}

/// Whether the rule is about connections from the one to the other.
match matches(const rule& one, const subject& from, const subject& to) {
    const auto along = std::min(one.from.matches(from), one.to.matches(to));
    if (!one.both)
        return along;
    return std::max(along, std::min(one.to.matches(from), one.from.matches(to)));
}

} // namespace

match pattern::matches(const subject& one) const {
    switch (is) {
    case kind::any:
        return match::yes;
    case kind::dom0:
        return yes_if(one.id == 0);
    case kind::uuid:
        return yes_if(!one.uuid.empty() && one.uuid == text);
    case kind::name:
        return one.name ? yes_if(*one.name == text) : match::maybe;
    case kind::glob:
        return one.name ? yes_if(fnmatch(text.c_str(), one.name->c_str(), FNM_NOESCAPE) == 0) : match::maybe;
    case kind::group:
        break;
    }
    match best = match::no;
    for (const pattern& member : *members)
        best = std::max(best, member.matches(one));
    return best;
}

verdict policy::judge(const subject& from, const subject& to) const {
    verdict result;
    port_set undecided = port_set::all();
    for (const rule& one : rules) {
        if (undecided.empty())
            break;
        if (matches(one, from, to) < (one.allow ? match::yes : match::maybe))
            continue;
        if (one.allow) {
            const port_set allowed = one.ports & undecided;
            if (!allowed.empty() && result.line == 0)
                result.line = one.line;
            result.ports = result.ports | allowed;
        }
        undecided = undecided - one.ports;
    }
    return result;
}

limits policy::limits_of(const subject& one) const {
    limits result;
    for (const limit_line& line : limit_lines) {
        const match matched = line.who.matches(one);
        if (matched == match::no)
            continue;
        lower(result.connections, line.most.connections);
        lower(result.memory, line.most.memory);
        if (matched == match::yes)
            break;
    }
    return result;
}

const pin* policy::pin_of(const subject& one) const {
    const auto found = std::find_if(pins.begin(), pins.end(),
                                    [&](const pin& line) { return line.who.matches(one) == match::yes; });
    return found == pins.end() ? nullptr : &*found;
}

} // namespace xvsock::peer
