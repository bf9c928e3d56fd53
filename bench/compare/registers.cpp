// SPDX-License-Identifier: MIT
#include "registers.hpp"

#include <optional>
#include <string>

namespace xvsock::bench {

namespace {

// xen/arch/x86/include/asm/config.h: Xen's own half of the address space, its text at 0xffff82d0...
constexpr std::uint64_t xen_begins = 0xffff800000000000, xen_ends = 0xffff880000000000;

std::optional<std::uint64_t> value_after(std::string_view text, std::string_view name, int base) {
    const auto at = text.find(name);
    if (at == std::string_view::npos)
        return {};
    try {
        return std::stoull(std::string(text.substr(at + name.size(), 16)), nullptr, base);
    } catch (const std::exception&) {
        return {};
    }
}

} // namespace

places& places::operator+=(const places& more) {
    busy += more.busy;
    hypervisor += more.hypervisor;
    kernel += more.kernel;
    user += more.user;
    return *this;
}

places read_registers(std::string_view text) {
    places found;
    constexpr std::string_view begin = "CPU#";
    for (auto at = text.find(begin); at != std::string_view::npos;) {
        const auto next = text.find(begin, at + begin.size());
        const auto one = text.substr(at, next == std::string_view::npos ? next : next - at);
        at = next;
        const auto place = value_after(one, "RIP=", 16), halted = value_after(one, "HLT=", 10);
        if (!place || !halted || *halted != 0)
            continue;
        ++found.busy;
        if (*place >= xen_begins && *place < xen_ends)
            ++found.hypervisor;
        else if (*place >= xen_ends)
            ++found.kernel;
        else
            ++found.user;
    }
    return found;
}

} // namespace xvsock::bench
