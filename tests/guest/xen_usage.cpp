// SPDX-License-Identifier: MIT
// What a domain uses now, by the hypervisor's own count; run in dom0:
//   xen-usage DOMID      prints "mapped_grants=N event_channels=M"
// mapped_grants are those of the domain's pages that another domain has mapped. Asks Xen for its dumps ("g"
// and "e") and reads them from its log, which has to be large enough: conring_size=1M.
#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <regex>
#include <stdexcept>
#include <string>

namespace {

std::string output_of(const std::string& command) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
    if (!pipe)
        throw std::runtime_error("cannot run " + command);
    std::string result;
    std::array<char, 65536> buffer;
    for (std::size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), pipe.get())) > 0;)
        result.append(buffer.data(), got);
    return result;
}

// Lines that match `line` between the one that matches `from` and the one that matches `to`.
unsigned count_lines(const std::string& text, const std::regex& from, const std::regex& to,
                     const std::regex& line) {
    bool inside = false;
    bool found = false;
    unsigned result = 0;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        const auto one = text.substr(at, end - at);
        at = end + 1;
        if (std::regex_search(one, from)) {
            inside = found = true;
        } else if (std::regex_search(one, to)) {
            inside = false;
        } else if (inside && std::regex_search(one, line)) {
            ++result;
        }
    }
    if (!found)
        throw std::runtime_error("Xen's log says nothing of this domain; is conring_size large enough?");
    return result;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: xen-usage DOMID\n");
        return 2;
    }
    try {
        const std::string domid = std::to_string(std::stoul(argv[1]));
        output_of("xl dmesg -c");
        output_of("xl debug-keys g && xl debug-keys e");
        const auto log = output_of("xl dmesg");
        const auto grants = count_lines(log, std::regex("grant-table for remote d" + domid + " "),
                                        std::regex("grant-table for remote|gnttab_usage_print_all"),
                                        std::regex(R"(\[0x[0-9a-f]+\] )"));
        const auto channels = count_lines(
            log, std::regex("Event channel information for domain " + domid + ":"),
            std::regex("Event channel information for domain"), std::regex(R"(^\(XEN\) +[0-9]+ \[)"));
        std::printf("mapped_grants=%u event_channels=%u\n", grants, channels);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "xen-usage: %s\n", error.what());
        return 1;
    }
}
