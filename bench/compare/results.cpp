// SPDX-License-Identifier: MIT
#include "results.hpp"

#include <algorithm>
#include <set>

namespace xvsock::bench {

namespace json = boost::json;

namespace {

json::object to_object(const std::map<std::string, std::string>& from) {
    json::object object;
    for (const auto& [key, value] : from)
        object[key] = value;
    return object;
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
    for (const char* path : measured_paths)
        if (!sizes_of(all, path, metric).empty())
            paths.emplace_back(path);
    return paths;
}

} // namespace xvsock::bench
