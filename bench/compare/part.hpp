// SPDX-License-Identifier: MIT
/// A benchmark run is a list of parts, each one boot of a scenario. What a part leaves lies in OUT/raw/NAME;
/// a finished one has OUT/raw/NAME.done.json beside it, which says what it was made with.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace xvsock::bench {

enum class mode { virtual_time, wall, native };

std::string_view to_string(mode which);

struct part {
    std::string name;
    std::filesystem::path scenario; ///< folder; empty for a part that runs on this machine
    /// Of the scenario, for --set; without one, options of xvsock-ring-bench.
    std::vector<std::pair<std::string, std::string>> settings = {};
    double estimate = 0;    ///< seconds, before one has been measured
    bool sampled = false;   ///< look where the processors are, to see the hypervisor's share
    bool optional = false;  ///< what it needs may be missing; it is left out then
    bool on_demand = false; ///< only measured when --parts names it
};

struct wanted {
    mode which = mode::wall;
    bool quick = false;
    std::vector<std::string> paths; ///< of known_paths()
    std::filesystem::path scenarios;
};

/// What --paths can name.
const std::vector<std::string>& known_paths();

/// The parts that can measure what is wanted.
std::vector<part> plan(const wanted& what);

/// Those of them that `names` has; without names, those that are not on demand.
/// Throws std::invalid_argument for a name that none of them has.
std::vector<part> chosen(std::vector<part> parts, const std::vector<std::string>& names);

/// What a part depends on: its settings, and a hash of its scenario's files and of `programs`.
std::string fingerprint(const part& one, mode which, const std::vector<std::filesystem::path>& programs);

/// OUT/raw/NAME.done.json.
class marker {
public:
    marker(const std::filesystem::path& raw, const part& one) : file_(raw / (one.name + ".done.json")) {}

    /// Whether the part was finished with this fingerprint.
    bool matches(const std::string& fingerprint) const;
    /// Seconds that it took when it was last finished, whatever with; 0 if never.
    double seconds() const;
    void set(const std::string& fingerprint, double seconds) const;
    /// Keeps the seconds for the next estimate.
    void clear() const;

private:
    std::filesystem::path file_;
};

/// "about 12 min", for people.
std::string in_words(double seconds);

} // namespace xvsock::bench
