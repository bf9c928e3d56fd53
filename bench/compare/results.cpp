// SPDX-License-Identifier: MIT
#include "results.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

namespace xvsock::bench {

namespace json = boost::json;

namespace {

constexpr std::array known_paths{"netfront", "vchan", "argo", "libxenvchan", "unix", "memcpy-1", "memcpy-2"};

json::object to_object(const std::map<std::string, std::string>& from) {
    json::object object;
    for (const auto& [key, value] : from)
        object[key] = value;
    return object;
}

std::map<std::string, std::string> from_object(const json::object& object) {
    std::map<std::string, std::string> map;
    for (const auto& member : object)
        map[std::string(member.key())] = std::string(member.value().as_string());
    return map;
}

} // namespace

void write_results(const std::filesystem::path& file, const results& all) {
    std::vector<perf::record> records;
    for (const result& one : all.list) {
        perf::record record = one;
        record.extra["tool"] = one.tool;
        record.extra["versions"] = to_object(all.where.versions);
        record.extra["machine"] = to_object(all.where.machine);
        records.push_back(std::move(record));
    }
    perf::write_records(file, records);
}

results read_results(const std::filesystem::path& file) {
    results all;
    for (perf::record& record : perf::read_records(file)) {
        try {
            all.where.versions = from_object(record.extra.at("versions").as_object());
            all.where.machine = from_object(record.extra.at("machine").as_object());
            std::string tool(record.extra.at("tool").as_string());
            for (const char* key : {"tool", "versions", "machine"})
                record.extra.erase(key);
            all.list.push_back({std::move(record), std::move(tool)});
        } catch (const std::exception& error) {
            throw std::runtime_error(
                fmt::format("{}: record {}: tool, versions and machine must be there: {}", file.string(),
                            all.list.size() + 1, error.what()));
        }
    }
    return all;
}

std::optional<double> find(const results& all, std::string_view path, std::string_view metric,
                           std::uint64_t bytes) {
    for (const result& one : all.list)
        if (one.bytes == bytes && one.path == path && one.metric == metric)
            return one.value;
    return {};
}

std::vector<std::uint64_t> sizes_of(const results& all, std::string_view path, std::string_view metric) {
    std::set<std::uint64_t> sizes;
    for (const result& one : all.list)
        if (one.path == path && one.metric == metric)
            sizes.insert(one.bytes);
    return {sizes.begin(), sizes.end()};
}

std::vector<std::string> paths_of(const results& all, std::string_view metric) {
    std::vector<std::string> paths;
    for (const char* path : known_paths)
        if (!sizes_of(all, path, metric).empty())
            paths.emplace_back(path);
    return paths;
}

} // namespace xvsock::bench
