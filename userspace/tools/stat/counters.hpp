// SPDX-License-Identifier: MIT
/// The counters that xen_vsock shows in debugfs: a file of peers and a file of connections, a line for each,
/// of key=value fields. A newer module may have keys that this program does not know; they are kept.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace xvsock::counters {

struct field {
    std::string key;
    std::variant<std::uint64_t, std::string> value;

    bool operator==(const field&) const = default;
};

/// A peer or a connection: its fields in the order of the file.
struct entry {
    std::vector<field> fields;

    /// Without a value when there is no such field, or it is no number.
    std::optional<std::uint64_t> number(std::string_view key) const;
    /// The value as text, or "-" when there is no such field.
    std::string text(std::string_view key) const;

    bool operator==(const entry&) const = default;
};

/// What was read at one moment. Connections come and go meanwhile, so the two lists need not fit exactly.
struct snapshot {
    std::chrono::steady_clock::time_point time;
    std::vector<entry> peers;
    std::vector<entry> connections;
};

/// Reads the text of one of the files. Throws std::runtime_error that names `source` and the line when a line
/// is not made of key=value fields, has a key twice, or lacks one of `needed`, which must be numbers.
std::vector<entry> parse_entries(std::string_view text, std::string_view source,
                                 const std::vector<std::string_view>& needed);

/// The texts of the two files. What every line must have is `cid`, and of a connection `id`.
snapshot parse_snapshot(std::string_view peers, std::string_view connections);

/// Reads the files below the place where debugfs is mounted. Throws std::runtime_error that says what to do:
/// be root, mount debugfs, load the module.
snapshot read_snapshot(const std::filesystem::path& debugfs);

/// Removes what belongs to other CIDs than these; nothing when there are none.
void keep_cids(snapshot& of, const std::vector<std::uint32_t>& cids);

/// The sums of all peers, of the keys for which a sum makes sense.
entry total_of(const std::vector<entry>& peers);

/// Whether a key counts what has happened, so that it has a rate; other numbers say what is now.
bool is_cumulative(std::string_view key);

/// The same peer or connection in an older list, or nullptr: also when a counter has gone back, because then
/// it is a new one with an old name.
const entry* find_older(const entry& of, const std::vector<entry>& older);

/// How fast a counter has counted, each second; without a value when either has no such number.
std::optional<double> rate_of(std::string_view key, const entry& now, const entry& older, double seconds);

} // namespace xvsock::counters
