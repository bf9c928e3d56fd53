// SPDX-License-Identifier: MIT
/// The records that every measuring program of the project writes: a JSON list of
/// {path, metric, bytes, value, unit, mode}.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace xvsock::perf {

struct record {
    std::string path;        ///< what carried the data: vsock, netfront, ...
    std::string metric;      ///< latency, bandwidth, latency_p99, ...
    std::uint64_t bytes = 0; ///< of a message
    double value = 0;
    std::string unit; ///< us or Mbit/s (10^6 bits)
    std::string mode; ///< virtual, wall or native
    /// Members beyond these six, kept as they were read.
    boost::json::object extra = {};
};

/// Reads the text of a record file. `source` names it in messages.
/// Throws std::runtime_error that says where the text is not a list of records.
std::vector<record> parse_records(std::string_view text, std::string_view source);

/// Reads a record file. Throws std::runtime_error, also when the file cannot be read.
std::vector<record> read_records(const std::filesystem::path& file);

/// The text of a record file, one record a line.
std::string format_records(const std::vector<record>& records);

/// Appends records; one that measures the same (path, metric, bytes, unit, mode) as an older one replaces it.
void merge_records(std::vector<record>& into, const std::vector<record>& added);

/// Checks that a record file can be written here, before the work that it is for: its folder must be
/// writable, and what exists under the name must be a regular file, because it is going to be replaced.
/// Returns the file that links lead to. Throws std::runtime_error.
std::filesystem::path check_record_file(const std::filesystem::path& file);

/// Writes a record file so that it is either replaced wholly or left as it was, whatever fails.
/// Throws std::runtime_error that names the file and the cause.
void write_records(const std::filesystem::path& file, const std::vector<record>& records);

} // namespace xvsock::perf
