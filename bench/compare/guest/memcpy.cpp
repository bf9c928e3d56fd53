// SPDX-License-Identifier: MIT
// bench-memcpy: the limit that memory sets. A message is copied once, as the best of all data paths would, or
// twice, as a path does that has a ring between two address spaces. Of the C library's memcpy() and the
// kernel's way, words by a string instruction, the faster one counts: neither is so everywhere.
#include "perf/quantity.hpp"
#include "perf/records.hpp"

#include <algorithm>
#include <boost/program_options.hpp>
#include <chrono>
#include <cstring>
#include <fmt/format.h>
#include <iostream>
#include <vector>

namespace po = boost::program_options;
using namespace xvsock::perf;

namespace {

/// The compiler may neither leave a copy out nor join two of them.
void keep(void* memory) {
    asm volatile("" : : "r"(memory) : "memory");
}

void copy_by_library(void* to, const void* from, std::size_t size) {
    std::memcpy(to, from, size);
}

/// What Linux does on a processor without ERMS.
void copy_words(void* to, const void* from, std::size_t size) {
    std::size_t words = size / 8;
    asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    std::memcpy(to, from, size % 8);
}

using copy_function = void (*)(void*, const void*, std::size_t);

/// Nanoseconds a message.
double measure(copy_function copy, std::size_t size, int copies, std::uint64_t volume) {
    constexpr std::uint64_t least = 16;
    std::vector<char> from(size, 'x'), ring(size), to(size);
    const auto pass = [&](std::uint64_t count) {
        const auto start = std::chrono::steady_clock::now();
        for (std::uint64_t i = 0; i < count; ++i) {
            copy(ring.data(), from.data(), size);
            keep(ring.data());
            if (copies == 2) {
                copy(to.data(), ring.data(), size);
                keep(to.data());
            }
        }
        const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
        return elapsed.count() / double(count);
    };
    pass(least); // touches all pages
    return pass(std::clamp<std::uint64_t>(volume / size, least, 100'000));
}

} // namespace

int main(int argc, char** argv) {
    try {
        std::string sizes, volume, mode, file;
        po::options_description options("Options");
        options.add_options()("sizes", po::value(&sizes)->default_value("1,64,1K,4K,64K,256K,1M,4M"), "")(
            "volume", po::value(&volume)->default_value("64M"), "bytes copied at each size")(
            "mode", po::value(&mode)->default_value("native"), "the records' mode")(
            "json", po::value(&file)->required(), "file for the records")("help", "show this help");
        po::variables_map values;
        po::store(po::parse_command_line(argc, argv, options), values);
        if (values.count("help")) {
            std::cout << "Usage: bench-memcpy --json FILE [OPTION...]\n" << options;
            return 0;
        }
        po::notify(values);
        std::vector<record> records;
        for (const int copies : {1, 2})
            for (const std::uint32_t size : parse_message_sizes(sizes)) {
                const auto path = fmt::format("memcpy-{}", copies);
                const auto bytes = parse_size(volume);
                const double ns = std::min(measure(copy_by_library, size, copies, bytes),
                                           measure(copy_words, size, copies, bytes));
                fmt::print("{} {:>8} {:>12.3f} us {:>12.1f} Mbit/s\n", path, size, ns / 1e3, size * 8e3 / ns);
                records.push_back({path, "latency", size, ns / 1e3, "us", mode});
                records.push_back({path, "bandwidth", size, size * 8e3 / ns, "Mbit/s", mode});
            }
        write_records(file, records);
        return 0;
    } catch (const std::exception& error) {
        fmt::print(stderr, "bench-memcpy: {}\n", error.what());
        return 1;
    }
}
