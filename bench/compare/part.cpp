// SPDX-License-Identifier: MIT
#include "part.hpp"

#include "text_file.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <stdexcept>
#include <string_view>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace xvsock::bench {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

/// What is not there has no content: a part that wants it says so itself.
std::string content(const fs::path& file) {
    return fs::exists(file) ? read_text(file) : "";
}

/// FNV-1a: it tells versions of our own files apart, nobody attacks it.
void mix(std::uint64_t& hash, std::string_view bytes) {
    for (const char byte : bytes)
        hash = (hash ^ std::uint8_t(byte)) * 0x100000001b3;
}

std::string joined(const std::vector<std::string>& words) {
    return fmt::format("{}", fmt::join(words, " "));
}

json::object read_marker(const fs::path& file) {
    boost::system::error_code error;
    const auto value = json::parse(content(file), error);
    return !error && value.is_object() ? value.as_object() : json::object();
}

} // namespace

std::string_view to_string(mode which) {
    switch (which) {
    case mode::virtual_time:
        return "virtual";
    case mode::wall:
        return "wall";
    case mode::native:
        return "native";
    }
    return "?";
}

const std::vector<std::string>& known_paths() {
    static const std::vector<std::string> paths{"netfront", "vchan", "argo", "libxenvchan", "unix", "memcpy"};
    return paths;
}

std::vector<part> plan(const wanted& what) {
    const auto has = [&](std::string_view path) {
        return std::ranges::find(what.paths, path) != what.paths.end();
    };
    if (what.which == mode::native) {
        part ring{.name = "ring", .scenario = {}, .estimate = 360, .optional = true};
        ring.settings = {{"benchmark_repetitions", "5"}, {"benchmark_enable_random_interleaving", "true"}};
        if (what.quick) { // rings of the usual size only
            ring.settings = {{"benchmark_filter", "/(256K|pipe|unix|tcp)/"}, {"benchmark_repetitions", "3"}};
            ring.estimate = 90;
        }
        return {ring};
    }

    const std::string depth = what.quick ? "quick" : "full";
    const double scale = (what.quick ? 1 : 4) * (what.which == mode::virtual_time ? 1 : 0.7);
    std::vector<std::string> carried;
    for (const char* path : {"netfront", "vchan"})
        if (has(path))
            carried.emplace_back(path);
    std::vector<std::string> steps;
    if (!carried.empty())
        steps = {"nptcp", "iperf3"};
    if (!carried.empty() || has("unix"))
        steps.emplace_back("perf");
    for (const char* yardstick : {"libxenvchan", "unix", "memcpy"})
        if (has(yardstick))
            steps.emplace_back(yardstick);
    const auto pair = [&](std::string name, const std::vector<std::string>& with,
                          const std::vector<std::string>& paths, const std::string& how_much,
                          double estimate) {
        return part{
            .name = std::move(name),
            .scenario = what.scenarios / "pair",
            .settings = {{"env.STEPS", joined(with)}, {"env.PATHS", joined(paths)}, {"env.DEPTH", how_much}},
            .estimate = estimate};
    };
    const auto on_argo = [](part one) {
        one.settings.emplace_back("hypervisor", "argo");
        one.settings.emplace_back("module_options", "data_path=argo");
        one.optional = true;
        return one;
    };

    std::vector<part> parts;
    const auto add = [&](part one, bool sampled) {
        one.sampled = sampled;
        parts.push_back(std::move(one));
    };
    if (!steps.empty())
        add(pair("pair", steps, carried, depth, 480 * scale), false);
    if (has("vchan"))
        add(pair("rings", {"rings"}, {"vchan"}, depth, 150 * scale), false);
    if (!carried.empty())
        add(pair("cost", {"cost"}, carried, depth, 240 * scale), true);
    if (has("argo"))
        add(on_argo(pair("argo", {"nptcp", "iperf3", "perf", "cost"}, {"argo"}, depth, 300 * scale)), true);
    if (!carried.empty()) {
        parts.push_back({.name = "guests",
                         .scenario = what.scenarios / "guests",
                         .settings = {{"env.PATHS", joined(carried)}},
                         .estimate = 900});
        parts.back().on_demand = what.quick;
    }
    // A few sizes, for who wants to know soon whether something has become worse.
    if (!carried.empty()) {
        parts.push_back(pair("points", {"nptcp", "perf"}, carried, "points", 90));
        parts.back().on_demand = true;
    }
    if (has("argo")) {
        parts.push_back(on_argo(pair("points-argo", {"nptcp", "perf"}, {"argo"}, "points", 60)));
        parts.back().on_demand = true;
    }
    return parts;
}

std::vector<part> chosen(std::vector<part> parts, const std::vector<std::string>& names) {
    for (const auto& name : names)
        if (std::ranges::find(parts, name, &part::name) == parts.end()) {
            std::vector<std::string> known;
            for (const part& one : parts)
                known.push_back(one.name);
            throw std::invalid_argument(
                fmt::format("'{}' is not among the parts {}", name, fmt::join(known, ", ")));
        }
    std::erase_if(parts, [&](const part& one) {
        return names.empty() ? one.on_demand : std::ranges::find(names, one.name) == names.end();
    });
    return parts;
}

std::string fingerprint(const part& one, mode which, const std::vector<fs::path>& programs) {
    std::uint64_t hash = 0xcbf29ce484222325;
    std::vector<fs::path> files;
    if (!one.scenario.empty())
        for (const auto& entry : fs::recursive_directory_iterator(one.scenario))
            if (entry.is_regular_file())
                files.push_back(entry.path());
    std::ranges::sort(files);
    for (const fs::path& file : files)
        mix(hash, fs::relative(file, one.scenario).string() + '\0' + content(file));
    for (const fs::path& program : programs)
        mix(hash, program.filename().string() + '\0' + content(program));
    std::string text = fmt::format("{} {:016x}{}", to_string(which), hash, one.sampled ? " sampled" : "");
    for (const auto& [key, value] : one.settings)
        text += fmt::format(" {}={}", key, value);
    return text;
}

bool marker::matches(const std::string& fingerprint) const {
    const auto object = read_marker(file_);
    const auto* made_with = object.if_contains("made_with");
    return made_with != nullptr && made_with->is_string() && made_with->as_string() == fingerprint;
}

double marker::seconds() const {
    const auto object = read_marker(file_);
    const auto* seconds = object.if_contains("seconds");
    return seconds != nullptr && seconds->is_number() ? seconds->to_number<double>() : 0;
}

void marker::set(const std::string& fingerprint, double seconds) const {
    const auto draft = fs::path(file_).concat(".new");
    std::ofstream(draft) << json::serialize(json::object{{"made_with", fingerprint}, {"seconds", seconds}})
                         << '\n';
    fs::rename(draft, file_);
}

void marker::clear() const {
    if (const double before = seconds(); before > 0)
        set("", before);
}

std::string in_words(double seconds) {
    if (seconds < 90)
        return fmt::format("about {:.0f} s", std::max(5.0, std::ceil(seconds / 5) * 5));
    return fmt::format("about {:.0f} min", std::ceil(seconds / 60));
}

} // namespace xvsock::bench
