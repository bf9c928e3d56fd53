// SPDX-License-Identifier: MIT
#include "collect.hpp"

#include "np_out.hpp"
#include "perf/quantity.hpp"
#include "text_file.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace xvsock::bench {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

json::value read_json(const fs::path& file) {
    boost::system::error_code error;
    auto value = json::parse(read_text(file), error);
    if (error)
        throw std::runtime_error(fmt::format("{}: {}", file.string(), error.message()));
    return value;
}

std::vector<fs::path> files_in(const fs::path& folder) {
    std::vector<fs::path> files;
    if (fs::exists(folder))
        for (const auto& entry : fs::directory_iterator(folder))
            files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
}

/// What stands between the words in a file's name; nothing when they are not there.
std::optional<std::string> between(const std::string& name, std::string_view before, std::string_view after) {
    if (name.size() <= before.size() + after.size() || !name.starts_with(before) || !name.ends_with(after))
        return {};
    return name.substr(before.size(), name.size() - before.size() - after.size());
}

void add_np(results& all, const std::string& path, const fs::path& file, std::string_view mode) {
    for (const np_point& point : parse_np_out(read_text(file), file.string())) {
        all.list.push_back(
            {{path, "np_latency", point.bytes, point.seconds * 1e6, "us", std::string(mode)}, "NPtcp"});
        all.list.push_back(
            {{path, "np_bandwidth", point.bytes, point.megabits(), "Mbit/s", std::string(mode)}, "NPtcp"});
    }
}

void add_iperf3(results& all, const std::string& path, const fs::path& file, std::string_view mode) {
    try {
        const auto root = read_json(file);
        const double bits = root.at_pointer("/end/sum_received/bits_per_second").to_number<double>();
        const auto block = root.at_pointer("/start/test_start/blksize").to_number<std::uint64_t>();
        all.list.push_back(
            {{path, "iperf3_bandwidth", block, bits / 1e6, "Mbit/s", std::string(mode)}, "iperf3"});
    } catch (const std::exception& error) {
        throw std::runtime_error(fmt::format("{}: {}", file.string(), error.what()));
    }
}

/// A record file of one of our programs.
void add_records(results& all, const fs::path& file, const std::string& tool) {
    for (auto& record : perf::read_records(file))
        all.list.push_back({std::move(record), tool});
}

/// In a sweep of ring sizes `bytes` is the ring's, and the message's goes into the metric's name.
void add_rings(results& all, const std::string& ring, const fs::path& file) {
    for (auto& record : perf::read_records(file)) {
        if (record.metric != "latency" && record.metric != "bandwidth")
            continue;
        record.metric = fmt::format("ring_{}_{}", record.metric, record.bytes);
        record.bytes = perf::parse_size(ring);
        all.list.push_back({std::move(record), "xvsock perf"});
    }
}

/// Where the processors were found during the tests: the hypervisor's share of the time in which they were
/// busy. Follows the other costs.
void add_samples(results& all, const fs::path& file, mode which) {
    if (!fs::exists(file))
        return;
    const auto samples = read_json(file);
    for (const auto& value : samples.as_array()) {
        const auto& one = value.as_object();
        std::istringstream words(std::string(one.at("test").as_string())); // PATH stream-BYTES-MESSAGES
        std::string path, test;
        words >> path >> test;
        const double busy = one.at("busy").to_number<double>();
        const auto bytes_text = between(test, "stream-", "");
        if (!bytes_text || busy == 0)
            continue;
        const auto bytes = perf::parse_number(bytes_text->substr(0, bytes_text->find('-')), "bytes");
        const double share = one.at("hypervisor").to_number<double>() / busy;
        const auto add = [&](const char* metric, double amount, const char* unit) {
            all.list.push_back(
                {{path, metric, bytes, amount, unit, std::string(to_string(which))}, "xvsock-bench"});
        };
        add("hypervisor_share", 100 * share, "%");
        const auto guests = find(all, path, "cpu_guests", bytes), dom0 = find(all, path, "cpu_dom0", bytes);
        if (guests && dom0)
            add("cpu_hypervisor", share * (*guests + *dom0), "ms/GiB");
    }
}

void add_pair(results& all, const fs::path& folder, mode which) {
    const auto mode_name = to_string(which);
    for (const fs::path& file : files_in(folder / "g2")) {
        const auto name = file.filename().string();
        if (const auto path = between(name, "np.sweep.", ".out"))
            add_np(all, path->substr(0, path->find('.')), file, mode_name); // PATH.PIECE
        else if (const auto path = between(name, "iperf3.", ".json"))
            add_iperf3(all, *path, file, mode_name);
        else if (const auto ring = between(name, "rings.", ".json"))
            add_rings(all, *ring, file);
        else if (name == "perf.json")
            add_records(all, file, "xvsock perf");
        else if (name == "xenvchan.json")
            add_records(all, file, "bench-xenvchan");
        else if (name == "memcpy.json")
            add_records(all, file, "bench-memcpy");
        else if (const auto test = between(name, "cost.", ".before.stat")) {
            const auto dot = test->find('.');
            const auto cost = cost_of(folder, test->substr(0, dot), test->substr(dot + 1), which);
            all.list.insert(all.list.end(), cost.begin(), cost.end());
        }
    }
    for (const fs::path& file : files_in(folder / "dom0"))
        if (file.filename() == "guests.json")
            add_records(all, file, "xvsock perf");
}

/// Google Benchmark's format. Names are MEASURE/WAY/BYTES/iterations:N/real_time; taken is the median over
/// the repetitions of our own counters, for its means tell more about what else the machine does.
void add_ring_benchmark(results& all, const fs::path& file) {
    const auto root = read_json(file);
    std::vector<std::string> names; // in the file's order
    std::map<std::string, std::vector<double>> values;
    for (const auto& each : root.at("benchmarks").as_array()) {
        const auto& one = each.as_object();
        if (one.at("run_type").as_string() != "iteration" || one.contains("error_occurred"))
            continue;
        std::string name(one.at("run_name").as_string());
        name.resize(std::min(name.size(), name.rfind("/iterations:")));
        if (values[name].empty())
            names.push_back(name);
        const char* counter = name.starts_with("latency/") ? "one_way" : "messages_per_second";
        values[name].push_back(one.at(counter).to_number<double>());
    }
    for (const auto& name : names) {
        auto& repeated = values[name];
        const auto middle = repeated.begin() + std::ptrdiff_t(repeated.size() / 2);
        std::ranges::nth_element(repeated, middle);
        const auto first = name.find('/'), last = name.rfind('/');
        const auto bytes = perf::parse_number(name.substr(last + 1), "bytes");
        const auto add = [&](const char* metric, double value, const char* unit) {
            all.list.push_back(
                {{name.substr(first + 1, last - first - 1), metric, bytes, value, unit, "native"},
                 "xvsock-ring-bench"});
        };
        if (name.starts_with("latency/"))
            add("native_latency", *middle * 1e6, "us");
        else
            add("native_bandwidth", *middle * double(bytes) * 8 / 1e6, "Mbit/s");
    }
}

/// `xl info` and the like: lines "key : value".
void add_versions(results& all, const fs::path& folder) {
    std::istringstream lines(fs::exists(folder / "dom0/xl-info") ? read_text(folder / "dom0/xl-info") : "");
    for (std::string line; std::getline(lines, line);) {
        const auto colon = line.find(':');
        if (colon == std::string::npos)
            continue;
        const auto key = line.substr(0, line.find_last_not_of(' ', colon - 1) + 1);
        const auto value = line.substr(std::min(line.size(), colon + 2));
        if (key == "xen_version")
            all.where.versions["xen"] = value;
        else if (key == "release")
            all.where.versions["linux"] = value;
    }
}

void add_status(results& all, const fs::path& file) {
    if (!fs::exists(file))
        return;
    const auto status = read_json(file);
    for (const char* key : {"suite", "accelerator"})
        if (const auto* value = status.as_object().if_contains(key); value && value->is_string())
            (std::string(key) == "suite" ? all.where.versions : all.where.machine)[key] =
                std::string(value->as_string());
}

// ---- what a path costs ----

struct cpu_times {
    double guests = 0, dom0 = 0; ///< ns
};

cpu_times read_cpu(const fs::path& folder, const std::string& stem) {
    std::istringstream ids(read_text(folder / "dom0" / (stem + ".domids")));
    std::set<std::string> guests;
    for (std::string id; ids >> id;)
        guests.insert(id);
    cpu_times times;
    std::istringstream lines(read_text(folder / "dom0" / (stem + ".cpu")));
    double ns = 0;
    for (std::string id; lines >> id >> ns;) {
        if (id == "0")
            times.dom0 = ns;
        else if (guests.contains(id))
            times.guests += ns;
    }
    return times;
}

/// Events of all three domains that belong to netfront and netback: each is a hypercall of the other side, or
/// more that arrived as one.
std::uint64_t netfront_events(const fs::path& folder, const std::string& stem) {
    std::uint64_t sum = 0;
    for (const char* domain : {"g1", "g2", "dom0"})
        sum += count_interrupts(read_text(folder / domain / (stem + ".interrupts")), {"eth0", "vif"});
    return sum;
}

std::uint64_t module_total(const fs::path& folder, const std::string& stem, const char* counter) {
    std::uint64_t sum = 0;
    for (const char* domain : {"g1", "g2"})
        sum +=
            read_json(folder / domain / (stem + ".stat")).at("total").at(counter).to_number<std::uint64_t>();
    return sum;
}

} // namespace

std::uint64_t count_interrupts(std::string_view text, const std::vector<std::string>& words) {
    std::uint64_t sum = 0;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream cells(line);
        std::string cell;
        cells >> cell; // the number
        std::uint64_t in_line = 0;
        bool counted = false;
        while (cells >> cell) {
            if (!counted && cell.find_first_not_of("0123456789") == std::string::npos)
                in_line += std::stoull(cell);
            else
                counted = true;
            if (counted &&
                std::ranges::any_of(words, [&](const auto& word) { return cell.starts_with(word); })) {
                sum += in_line;
                break;
            }
        }
    }
    return sum;
}

std::vector<result> cost_of(const fs::path& folder, const std::string& path, const std::string& test,
                            mode which) {
    std::istringstream name(test);
    std::string kind, bytes_text, messages_text;
    std::getline(name, kind, '-');
    std::getline(name, bytes_text, '-');
    std::getline(name, messages_text);
    const auto bytes = perf::parse_number(bytes_text, "bytes");
    const auto messages = double(perf::parse_number(messages_text, "messages"));
    if (bytes == 0) // only read the counters
        return {};
    const auto stem = [&](const std::string& which_test, const char* moment) {
        return fmt::format("cost.{}.{}.{}", path, which_test, moment);
    };
    const bool by_net = path == "netfront";
    const auto kicks_at = [&](const char* moment) {
        return by_net ? netfront_events(folder, stem(test, moment))
                      : module_total(folder, stem(test, moment), "kicks");
    };
    const auto mode_name = std::string(to_string(which));
    std::vector<result> list;
    const auto add = [&](const std::string& metric, double value, const char* unit) {
        list.push_back({{path, metric, bytes, value, unit, mode_name}, "xvsock perf"});
    };
    const double kicks = double(kicks_at("after") - kicks_at("before"));
    const double mebibytes = double(bytes) * messages / (1 << 20);
    add(kind + "_kicks_per_message", kicks / messages, "1");
    if (kind != "stream")
        return list;
    add("stream_kicks_per_mib", kicks / mebibytes, "1/MiB");

    // What reading the counters takes is taken off again.
    const auto spent = [&](const std::string& which_test) {
        const auto before = read_cpu(folder, stem(which_test, "before"));
        const auto after = read_cpu(folder, stem(which_test, "after"));
        return cpu_times{after.guests - before.guests, after.dom0 - before.dom0};
    };
    const auto nothing = spent("nothing-0-1");
    const auto busy = spent(test);
    const double gibibytes = mebibytes / 1024;
    add("cpu_guests", std::max(0.0, busy.guests - nothing.guests) / 1e6 / gibibytes, "ms/GiB");
    add("cpu_dom0", std::max(0.0, busy.dom0 - nothing.dom0) / 1e6 / gibibytes, "ms/GiB");
    return list;
}

results collect(const fs::path& raw, const std::vector<part>& finished, mode which) {
    results all;
    for (const part& one : finished) {
        if (one.scenario.empty()) {
            add_ring_benchmark(all, raw / one.name / "ring.json");
            continue;
        }
        add_pair(all, raw / one.name / "results", which);
        add_samples(all, raw / one.name / "samples.json", which);
        add_versions(all, raw / one.name / "results");
        add_status(all, raw / one.name / "status.json");
    }
    return all;
}

} // namespace xvsock::bench
