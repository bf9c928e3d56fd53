// SPDX-License-Identifier: MIT
#include "common/kmemleak.hpp"

namespace xvsock::testbed {

namespace {

constexpr std::string_view start_of_object = "unreferenced object";

// Only the call trace tells; the line with the program's name may say "vsock-load".
bool by_vsock(std::string_view object) {
    const auto trace = object.find("backtrace:");
    if (trace == std::string_view::npos)
        return false;
    const auto calls = object.substr(trace);
    return calls.find("vsock") != std::string_view::npos ||
           calls.find("] 0xffffffffc") != std::string_view::npos;
}

} // namespace

std::vector<std::string> vsock_leaks(std::string_view report) {
    std::vector<std::string> found;
    for (auto at = report.find(start_of_object); at != std::string_view::npos;) {
        const auto next = report.find(start_of_object, at + 1);
        const auto object = report.substr(at, next == std::string_view::npos ? next : next - at);
        if (by_vsock(object))
            found.emplace_back(object);
        at = next;
    }
    return found;
}

} // namespace xvsock::testbed
