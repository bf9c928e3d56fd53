// SPDX-License-Identifier: MIT
#include "machine.hpp"

#include <array>
#include <cstdio>
#include <fstream>
#include <memory>
#include <thread>

#include <fmt/format.h>

namespace xvsock::bench {

namespace {

/// The first line that a command prints; empty when it cannot be run.
std::string first_line(const std::string& command) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(command.c_str(), "re"), ::pclose);
    std::array<char, 512> line{};
    if (!pipe || std::fgets(line.data(), line.size(), pipe.get()) == nullptr)
        return "";
    std::string text(line.data());
    return text.substr(0, text.find('\n'));
}

std::string cpu_model() {
    std::ifstream input("/proc/cpuinfo");
    for (std::string line; std::getline(input, line);)
        if (line.starts_with("model name"))
            return line.substr(line.find(':') + 2);
    return "unknown";
}

} // namespace

void add_machine(circumstances& where, const std::filesystem::path& source) {
    where.machine["cpu"] = cpu_model();
    where.machine["processors"] = std::to_string(std::thread::hardware_concurrency());
    where.versions["qemu"] = first_line("qemu-system-x86_64 --version 2> /dev/null");
    const auto commit =
        first_line(fmt::format("git -C '{}' describe --always --dirty 2> /dev/null", source.string()));
    where.versions["xvsock"] = commit.empty() ? "unknown" : commit;
}

} // namespace xvsock::bench
