// SPDX-License-Identifier: MIT
/// results.json: the records of all parts. Each has, beside what every measuring program of the project
/// writes, `tool`, `versions` and `machine`, so that a record that is taken out of the file still says what
/// it is.
#pragma once

#include "perf/records.hpp"

#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace xvsock::bench {

struct result : perf::record {
    std::string tool; ///< NPtcp, iperf3, xvsock perf, bench-...
};

/// What is the same for all records of a run.
struct circumstances {
    std::map<std::string, std::string> versions; ///< xvsock, xen, linux, qemu, ...
    std::map<std::string, std::string> machine;  ///< cpu, processors, accelerator, ...

    bool operator==(const circumstances&) const = default;
};

struct results {
    circumstances where;
    std::vector<result> list;
};

/// The paths of records, in the order in which the report shows them.
inline constexpr std::array measured_paths{"netfront", "vchan",    "argo",    "libxenvchan",
                                           "unix",     "memcpy-1", "memcpy-2"};

/// Throws std::runtime_error.
void write_results(const std::filesystem::path& file, const results& all);

/// The value of a record; none when there is no such one.
std::optional<double> find(const results& all, std::string_view path, std::string_view metric,
                           std::uint64_t bytes);

/// Message sizes for which there is this metric of a path, ascending.
std::vector<std::uint64_t> sizes_of(const results& all, std::string_view path, std::string_view metric);

/// Paths that have this metric, in the order in which the report shows them.
std::vector<std::string> paths_of(const results& all, std::string_view metric);

} // namespace xvsock::bench
