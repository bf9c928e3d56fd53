// SPDX-License-Identifier: MIT
#include "check.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <vector>

namespace xvsock::bench {

namespace {

/// The ring as a connection has it by default, when nobody sleeps.
constexpr const char* ring = "wide/spin/256K";

struct requirement {
    const char* what;
    const char* measure;
    std::size_t size;
    const char* beside;
    double least; ///< as many times as good
};

constexpr std::array<requirement, 6> requirements{{
    {"rate at 64 B", "stream", 64, "unix/block", 5},
    {"latency at 64 B", "latency", 64, "unix/block", 10},
    {"bandwidth at 64 KiB", "stream", 65536, "memcpy/twice/256K", 0.8},
    {"bandwidth at 256 KiB", "stream", 262144, "memcpy/twice/256K", 0.8},
    {"bandwidth at 1 MiB", "stream", 1048576, "memcpy/twice/256K", 0.8},
    {"bandwidth at 4 MiB", "stream", 4194304, "memcpy/twice/256K", 0.8},
}};

/// For who reads the table: not asked for, but they put the above into proportion.
constexpr std::array<requirement, 6> comparisons{{
    {"rate at 64 B", "stream", 64, "unix/spin", 0},
    {"latency at 64 B", "latency", 64, "unix/spin", 0},
    {"bandwidth at 64 KiB", "stream", 65536, "memcpy/turns/256K", 0},
    {"bandwidth at 256 KiB", "stream", 262144, "memcpy/turns/256K", 0},
    {"bandwidth at 1 MiB", "stream", 1048576, "memcpy/turns/256K", 0},
    {"bandwidth at 4 MiB", "stream", 4194304, "memcpy/turns/256K", 0},
}};

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

/// What a file of results says: medians over the repetitions, of messages in a second or of one way's
/// seconds.
class results {
public:
    explicit results(const std::string& file) {
        std::ifstream in(file);
        if (!in)
            throw std::runtime_error("cannot read " + file);
        const std::string text(std::istreambuf_iterator<char>(in), {});
        const auto document = boost::json::parse(text);
        for (const auto& entry : document.at("benchmarks").as_array())
            take(entry.as_object());
    }

    /// Messages in a second, the more the better; of the latency, the way there and nothing back.
    [[nodiscard]] std::optional<double> rate(const std::string& measure, const std::string& way,
                                             std::size_t size) const {
        const auto found = values_.find(fmt::format("{}/{}/{}", measure, way, size));
        if (found == values_.end())
            return std::nullopt;
        const auto value = median(found->second);
        return measure == "latency" ? 1 / value : value;
    }

    [[nodiscard]] const std::set<std::string>& ways() const { return ways_; }
    [[nodiscard]] const std::set<std::size_t>& sizes() const { return sizes_; }

private:
    void take(const boost::json::object& entry) {
        if (entry.at("run_type").as_string() != "iteration" || entry.contains("error_occurred"))
            return;
        // MEASURE/WAY/BYTES/iterations:N/real_time
        std::string name(entry.at("run_name").as_string());
        name.resize(name.rfind("/iterations:"));
        const auto first = name.find('/'), last = name.rfind('/');
        const char* value = name.starts_with("latency/") ? "one_way" : "messages_per_second";
        values_[name].push_back(entry.at(value).to_number<double>());
        ways_.insert(name.substr(first + 1, last - first - 1));
        sizes_.insert(std::stoul(name.substr(last + 1)));
    }

    std::map<std::string, std::vector<double>> values_;
    std::set<std::string> ways_;
    std::set<std::size_t> sizes_;
};

std::string name_of_size(std::size_t size) {
    return size < 1024 ? fmt::format("{} B", size) : fmt::format("{} KiB", size / 1024);
}

std::string cell(const results& from, const std::string& measure, const std::string& way, std::size_t size) {
    const auto rate = from.rate(measure, way, size);
    if (!rate)
        return "-";
    if (measure == "latency")
        return fmt::format("{:.2f}", 1e6 / *rate);
    return fmt::format("{:.3f}", *rate * static_cast<double>(size) / 1e9);
}

void print_all(const results& from, const std::string& measure, const char* heading) {
    fmt::print("\n{}\n{:<24}", heading, "");
    for (const auto size : from.sizes())
        fmt::print("{:>10}", name_of_size(size));
    fmt::print("\n");
    for (const auto& way : from.ways()) {
        std::string line;
        bool any = false;
        for (const auto size : from.sizes()) {
            any = any || from.rate(measure, way, size);
            line += fmt::format("{:>10}", cell(from, measure, way, size));
        }
        if (any)
            fmt::print("{:<24}{}\n", way, line);
    }
}

/// Prints a row; whether it is as good as it has to be.
bool compare(const results& from, const requirement& one) {
    const auto ours = from.rate(one.measure, ring, one.size);
    const auto theirs = from.rate(one.measure, one.beside, one.size);
    if (!ours || !theirs) {
        fmt::print("{:<22}{:<20}not measured\n", one.what, one.beside);
        return false;
    }
    const auto ratio = *ours / *theirs;
    const bool good = ratio >= one.least;
    fmt::print("{:<22}{:<20}{:>10.2f}", one.what, one.beside, ratio);
    if (one.least > 0)
        fmt::print("{:>10.1f}  {}", one.least, good ? "reached" : "NOT REACHED");
    fmt::print("\n");
    return good;
}

} // namespace

bool check(const std::string& file) {
    const results from(file);
    fmt::print("{} has to be as many times as good as, medians:\n{:<22}{:<20}{:>10}{:>10}\n", ring, "", "",
               "it is", "wanted");
    bool good = true;
    for (const auto& one : requirements)
        good = compare(from, one) && good;
    for (const auto& one : comparisons)
        compare(from, one);
    print_all(from, "latency", "latency one way, us");
    print_all(from, "stream", "stream, GB/s");
    return good;
}

} // namespace xvsock::bench
