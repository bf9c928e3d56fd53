// SPDX-License-Identifier: MIT
#include "report.hpp"

#include "perf/quantity.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <fmt/format.h>
#include <set>

namespace xvsock::bench {

namespace {

std::string row(const std::vector<std::string>& cells) {
    return fmt::format("| {} |\n", fmt::join(cells, " | "));
}

std::string head(const std::vector<std::string>& titles) {
    return row(titles) + row(std::vector<std::string>(titles.size(), "---"));
}

std::string cell(const std::optional<double>& value) {
    return value ? figure(*value) : "";
}

/// A row for each size that some path has, a column for each path, and the ratio of those that compare with
/// netfront.
std::string table(const results& all, const std::string& metric, const std::vector<std::uint64_t>& sizes) {
    const auto paths = paths_of(all, metric);
    if (paths.empty())
        return "";
    const bool compare = paths.front() == "netfront";
    std::vector<std::string> titles{"bytes"};
    for (const auto& path : paths)
        titles.push_back(path);
    for (const auto& path : paths)
        if (compare && (path == "vchan" || path == "argo"))
            titles.push_back(path + " / netfront");
    std::string text = head(titles);
    for (const auto size : sizes) {
        std::vector<std::string> cells{perf::format_size(size)};
        bool any = false;
        for (const auto& path : paths) {
            const auto value = find(all, path, metric, size);
            any = any || value;
            cells.push_back(cell(value));
        }
        for (const auto& path : paths)
            if (compare && (path == "vchan" || path == "argo")) {
                const auto base = find(all, "netfront", metric, size), own = find(all, path, metric, size);
                cells.push_back(base && own && *base != 0 ? fmt::format("{:.3g}", *own / *base) : "");
            }
        if (any)
            text += row(cells);
    }
    return text;
}

std::vector<std::uint64_t> all_sizes(const results& all, const std::string& metric) {
    std::vector<std::uint64_t> sizes;
    for (const auto& path : paths_of(all, metric))
        for (const auto size : sizes_of(all, path, metric))
            if (std::ranges::find(sizes, size) == sizes.end())
                sizes.push_back(size);
    std::ranges::sort(sizes);
    return sizes;
}

/// NetPIPE measures some fifty sizes; a table shows those that people know.
std::vector<std::uint64_t> powers_of_four(const std::vector<std::uint64_t>& sizes) {
    std::vector<std::uint64_t> chosen;
    for (const auto size : sizes)
        if (std::has_single_bit(size) && std::countr_zero(size) % 2 == 0)
            chosen.push_back(size);
    return chosen;
}

void add_section(std::string& text, const std::string& title, const std::string& explanation,
                 const std::string& body) {
    if (!body.empty())
        text +=
            fmt::format("\n## {}\n\n{}{}\n", title, explanation.empty() ? "" : explanation + "\n\n", body);
}

/// Metrics whose `bytes` is the same for all: a row for each path.
std::string path_table(const results& all, const std::vector<std::string>& metrics, std::uint64_t bytes,
                       const std::vector<std::string>& titles) {
    const auto paths = paths_of(all, metrics.front());
    if (paths.empty())
        return "";
    std::string text = head(titles);
    for (const auto& path : paths) {
        std::vector<std::string> cells{path};
        for (const auto& metric : metrics)
            cells.push_back(cell(find(all, path, metric, bytes)));
        text += row(cells);
    }
    return text;
}

std::string rings_table(const results& all) {
    const std::vector<std::string> metrics{"ring_latency_1", "ring_latency_65536", "ring_bandwidth_4096",
                                           "ring_bandwidth_65536", "ring_bandwidth_1048576"};
    const auto rings = sizes_of(all, "vchan", metrics.front());
    if (rings.empty())
        return "";
    std::string text = head({"ring", "latency 1 B, us", "latency 64 KiB, us", "4 KiB, Mbit/s",
                             "64 KiB, Mbit/s", "1 MiB, Mbit/s"});
    for (const auto ring : rings) {
        std::vector<std::string> cells{perf::format_size(ring)};
        for (const auto& metric : metrics)
            cells.push_back(cell(find(all, "vchan", metric, ring)));
        text += row(cells);
    }
    return text;
}

/// A row for each way between two processes, a column for each size.
std::string ways_table(const results& all, const std::string& metric) {
    std::set<std::string> ways;
    std::set<std::uint64_t> sizes;
    for (const result& one : all.list)
        if (one.metric == metric) {
            ways.insert(one.path);
            sizes.insert(one.bytes);
        }
    if (ways.empty())
        return "";
    std::vector<std::string> titles{"way"};
    for (const auto size : sizes)
        titles.push_back(perf::format_size(size));
    std::string text = head(titles);
    for (const auto& way : ways) {
        std::vector<std::string> cells{way};
        for (const auto size : sizes)
            cells.push_back(cell(find(all, way, metric, size)));
        text += row(cells);
    }
    return text;
}

std::string percentiles(const results& all) {
    std::string text;
    for (const auto& path : paths_of(all, "latency_p50"))
        for (const auto size : sizes_of(all, path, "latency_p50"))
            text +=
                row({path, perf::format_size(size), cell(find(all, path, "latency", size)),
                     cell(find(all, path, "latency_p50", size)), cell(find(all, path, "latency_p99", size)),
                     cell(find(all, path, "latency_p999", size))});
    return text.empty() ? "" : head({"path", "bytes", "mean", "p50", "p99", "p99.9"}) + text;
}

std::string iperf3(const results& all) {
    std::string text;
    for (const auto& path : paths_of(all, "iperf3_bandwidth"))
        for (const auto size : sizes_of(all, path, "iperf3_bandwidth"))
            text += row({path, perf::format_size(size), cell(find(all, path, "iperf3_bandwidth", size))});
    return text.empty() ? "" : head({"path", "block", "Mbit/s"}) + text;
}

std::string facts(const circumstances& where) {
    std::string text;
    for (const auto& [key, value] : where.machine)
        text += row({key, value});
    for (const auto& [key, value] : where.versions)
        text += row({"version of " + key, value});
    return text.empty() ? "" : head({"what", "value"}) + text;
}

} // namespace

std::string figure(double value) {
    const double size = std::abs(value);
    if (size >= 100 || size == 0)
        return fmt::format("{:.0f}", value);
    if (size >= 10)
        return fmt::format("{:.1f}", value);
    return fmt::format("{:.3g}", value);
}

std::string report(const results& all, std::string_view mode, bool quick,
                   const std::vector<std::string>& notes, const std::vector<plot>& plots) {
    std::string text = fmt::format("# Data paths compared: {} time{}\n", mode, quick ? ", quick" : "");
    if (mode == "virtual")
        text += "\nOne instruction takes one nanosecond, on one thread: no caches, and no two processors at "
                "once.\n";
    for (const auto& note : notes)
        text += fmt::format("\n**{}**\n", note);
    const auto np_sizes = powers_of_four(all_sizes(all, "np_latency"));
    add_section(text, "Latency by NetPIPE, one way, us", "NPtcp, unmodified; over vchan by `xvsock run`.",
                table(all, "np_latency", np_sizes));
    add_section(text, "Bandwidth of NetPIPE's ping-pong, Mbit/s", "Of 10^6 bits.",
                table(all, "np_bandwidth", np_sizes));
    add_section(text, "Latency, one way, us", "By `xvsock perf`, bench-xenvchan, bench-memcpy.",
                table(all, "latency", all_sizes(all, "latency")));
    add_section(text, "Bandwidth of a stream, Mbit/s", "By the same programs.",
                table(all, "bandwidth", all_sizes(all, "bandwidth")));
    add_section(text, "iperf3", "", iperf3(all));
    add_section(text, "Percentiles of latency, us", "From a pass in which each round is timed.",
                percentiles(all));
    add_section(text, "Connect, a byte each way, close, us", "",
                path_table(all, {"connect", "connect_p50", "connect_p99", "connect_p999"}, 1,
                           {"path", "mean", "p50", "p99", "p99.9"}));
    add_section(text, "Size of the rings", "AF_VSOCK on vchan, SO_VM_SOCKETS_BUFFER_SIZE at both ends.",
                rings_table(all));
    add_section(text, "Kicks a message of a stream",
                "Each is a hypercall. vchan: the module's counter in both guests. netfront: interrupts of "
                "both guests "
                "and dom0 for it, so at least that many hypercalls; netback's grant copies come on top.",
                table(all, "stream_kicks_per_message", all_sizes(all, "stream_kicks_per_message")));
    add_section(text, "Kicks a MiB of a stream", "",
                table(all, "stream_kicks_per_mib", all_sizes(all, "stream_kicks_per_mib")));
    add_section(text, "Kicks a message of a ping-pong", "",
                table(all, "pingpong_kicks_per_message", all_sizes(all, "pingpong_kicks_per_message")));
    for (const std::uint64_t size : {65536, 1048576})
        add_section(text, fmt::format("CPU time of a stream of {} messages, ms/GiB", perf::format_size(size)),
                    "By Xen's own accounts of each domain's processors: what the hypervisor does in a "
                    "domain's name is "
                    "in the domain's. The hypervisor's column is its share of all of it.",
                    path_table(all, {"cpu_guests", "cpu_dom0", "cpu_hypervisor"}, size,
                               {"path", "both guests", "dom0", "of that, in the hypervisor"}));
    add_section(text, "Pairs of guests at once, total Mbit/s",
                "Streams of 64 KiB messages; the column is the number of guests.",
                table(all, "guests_bandwidth", all_sizes(all, "guests_bandwidth")));
    add_section(text, "Pairs of guests at once, Mbit/s for each processor that they and dom0 keep busy", "",
                table(all, "guests_bandwidth_per_cpu", all_sizes(all, "guests_bandwidth_per_cpu")));
    add_section(text, "Pairs of guests at once, dom0's share of the processors' time, %", "",
                table(all, "guests_dom0_share", all_sizes(all, "guests_dom0_share")));
    const char* ways = "bench/ring/README.md says what the ways are.";
    add_section(text, "The ring alone: latency, one way, us", ways, ways_table(all, "native_latency"));
    add_section(text, "The ring alone: bandwidth of a stream, Mbit/s", ways,
                ways_table(all, "native_bandwidth"));

    std::string images;
    for (const plot& one : plots)
        images += fmt::format("![{}](plots/{}.svg)\n\n", one.title, one.name);
    add_section(text, "Plots", "", images);
    add_section(text, "Measured on", "", facts(all.where));
    return text;
}

} // namespace xvsock::bench
