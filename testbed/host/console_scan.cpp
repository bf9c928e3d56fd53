// SPDX-License-Identifier: MIT
#include "host/console_scan.hpp"

#include <algorithm>
#include <array>

namespace xvsock::testbed {

namespace {

// Signs in lines of a Linux kernel.
constexpr std::array<std::string_view, 44> kernel_signs{
    "BUG:", "BUG ", "kernel BUG at", "WARNING:", "Oops", "Call Trace", "Kernel panic", "general protection",
    "invalid opcode:", "Unable to handle kernel", "unable to handle", "divide error:", "stack segment:",
    // locking
    "possible circular locking", "possible recursive locking", "possible irq lock inversion",
    "inconsistent lock state", "SOFTIRQ-safe -> SOFTIRQ-unsafe", "HARDIRQ-safe -> HARDIRQ-unsafe",
    "suspicious RCU usage", "bad unlock balance", "held lock freed", "lock held when returning",
    "trying to register non-static key", "Invalid wait context", "DEBUG_LOCKS_WARN_ON",
    "turning off the locking correctness validator",
    // context
    "sleeping function called", "scheduling while atomic", "atomic_sched",
    // memory
    "KFENCE:", "KASAN:", "KCSAN:", "UBSAN:", "suspected memory leaks", "list_add corruption",
    "list_del corruption", "refcount_t:", "Out of memory:", "page allocation failure",
    // progress
    "blocked for more than", "LOCKUP", "lockup - CPU", "rcu: INFO"};

// Signs in lines of the hypervisor.
constexpr std::array<std::string_view, 8> xen_signs{"Xen BUG at",   "Xen WARN at", "Xen call trace",
                                                    "Panic on CPU", "Assertion '", "FATAL",
                                                    "domain_crash", ") crashed on"};

// After these the console's owner does nothing more.
constexpr std::array<std::string_view, 4> last_words{"Kernel panic - not syncing", "Panic on CPU",
                                                     "Manual reset required", "Hardware Dom0 crashed"};

// Lines that Debian's stock kernels and Xen always print under QEMU and that mean no harm. Each has its
// reason.
constexpr std::array<const char*, 1> harmless{
    // Printed at power-off of dom0, not a fault.
    "Hardware Dom0 shutdown",
};

// Is the last line of what a kernel says after each WARNING.
constexpr std::string_view end_of_trace = "---[ end trace";

template <typename List> bool has_any(const std::string& line, const List& signs) {
    return std::any_of(signs.begin(), signs.end(),
                       [&](auto sign) { return line.find(sign) != std::string::npos; });
}

// Where the kernel's time stamp "[   12.345678] " starts, or npos. Cheaper than a regular expression.
std::size_t time_stamp(const std::string& line) {
    for (auto open = line.find('['); open != std::string::npos; open = line.find('[', open + 1)) {
        auto at = line.find_first_not_of(' ', open + 1);
        const auto digits = line.find_first_not_of("0123456789", at);
        if (at == std::string::npos || digits == std::string::npos || digits == at || line[digits] != '.')
            continue;
        at = line.find_first_not_of("0123456789", digits + 1);
        if (at != std::string::npos && at == digits + 7 && line[at] == ']')
            return open;
    }
    return std::string::npos;
}

} // namespace

console_scanner::console_scanner(const std::vector<std::string>& expected) {
    for (const auto* text : harmless)
        allowed_.emplace_back(text);
    for (const auto& text : expected)
        allowed_.emplace_back(text);
}

void console_scanner::feed(std::string_view bytes) {
    pending_.append(bytes);
    std::size_t start = 0;
    for (auto end = pending_.find('\n'); end != std::string::npos; end = pending_.find('\n', start)) {
        take(pending_.substr(start, end - start));
        start = end + 1;
    }
    pending_.erase(0, start);
}

void console_scanner::finish() {
    if (!pending_.empty())
        take(std::move(pending_));
    pending_.clear();
}

bool console_scanner::allowed(const std::string& line) const {
    return std::any_of(allowed_.begin(), allowed_.end(),
                       [&](const std::regex& expression) { return std::regex_search(line, expression); });
}

void console_scanner::take(std::string line) {
    ++line_;
    while (!line.empty() && line.back() == '\r')
        line.pop_back();
    const auto stamp = time_stamp(line);
    const bool from_kernel = stamp != std::string::npos;
    const bool from_xen = !from_kernel && line.find("(XEN)") != std::string::npos;
    if (!from_kernel && !from_xen)
        return;
    if (in_allowed_trace_ && line.find("Call Trace") != std::string::npos)
        return;
    if (line.find(end_of_trace) != std::string::npos)
        in_allowed_trace_ = false;
    const bool sign = from_kernel ? has_any(line, kernel_signs) : has_any(line, xen_signs);
    const bool tells = sign || has_any(line, last_words);
    if (tells && allowed(line)) {
        in_allowed_trace_ = line.find("WARNING: CPU") != std::string::npos;
    } else if (tells) {
        halted_ = halted_ || has_any(line, last_words);
        // A trace has many lines that match: they belong to the report that is open.
        if (!open_ || reports_.back().lines.size() >= lines_per_report) {
            reports_.push_back({line_, {}});
            open_ = true;
        }
    }
    if (!open_ || reports_.back().lines.size() >= lines_per_report)
        return;
    reports_.back().lines.push_back(line);
    if (line.find(end_of_trace) != std::string::npos)
        open_ = false;
}

} // namespace xvsock::testbed
