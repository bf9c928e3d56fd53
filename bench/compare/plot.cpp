// SPDX-License-Identifier: MIT
#include "plot.hpp"

#include <array>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>

namespace xvsock::bench {

namespace fs = std::filesystem;

namespace {

series line_of(const results& all, const std::string& path, const std::string& metric,
               const std::string& title) {
    series line{.title = title, .points = {}};
    for (const auto size : sizes_of(all, path, metric))
        line.points.emplace_back(double(size), *find(all, path, metric, size));
    return line;
}

/// NetPIPE's figures where a path has them, else the same measurement by our own programs.
void add_paths(plot& one, const results& all, const std::string& metric) {
    for (const char* path : measured_paths) {
        const bool limit = std::string_view(path).starts_with("memcpy");
        auto line = line_of(all, path, "np_" + metric, fmt::format("{} (NPtcp)", path));
        if (line.points.empty())
            line = line_of(all, path, metric, path);
        line.dashed = limit;
        if (!line.points.empty())
            one.lines.push_back(std::move(line));
    }
}

void add_ratio(plot& one, const results& all, const std::string& path, const std::string& metric,
               bool inverse) {
    series line{.title = fmt::format("{}, {}", path, inverse ? "latency" : "bandwidth"), .points = {}};
    for (const auto size : sizes_of(all, path, metric)) {
        const auto base = find(all, "netfront", metric, size), own = find(all, path, metric, size);
        if (base && *base > 0 && *own > 0)
            line.points.emplace_back(double(size), inverse ? *base / *own : *own / *base);
    }
    if (!line.points.empty())
        one.lines.push_back(std::move(line));
}

void add_cpu(plot& one, const results& all) {
    for (const char* share : {"guests", "dom0", "hypervisor"}) {
        series bars{.title = share, .points = {}};
        for (std::size_t i = 0; i < one.names.size(); ++i)
            bars.points.emplace_back(
                double(i), find(all, one.names[i], fmt::format("cpu_{}", share), 65536).value_or(0));
        one.lines.push_back(std::move(bars));
    }
}

bool has_points(const plot& one) {
    for (const series& line : one.lines)
        if (!line.points.empty())
            return true;
    return false;
}

} // namespace

std::vector<plot> plots_of(const results& all, std::string_view mode) {
    std::vector<plot> plots;
    const auto add = [&](plot one) {
        one.title += fmt::format(" ({} time)", mode);
        if (has_points(one))
            plots.push_back(std::move(one));
    };
    const std::string bytes = "bytes a message";

    plot latency{"latency", "One way, half a round trip", bytes, "us", {}};
    add_paths(latency, all, "latency");
    add(latency);
    plot bandwidth{"pingpong-bandwidth", "Bandwidth of a ping-pong", bytes, "Mbit/s", {}};
    add_paths(bandwidth, all, "bandwidth");
    for (series& line : bandwidth.lines) // the ping-pong of those that NPtcp cannot measure
        if (line.title == "libxenvchan" || line.title == "unix") {
            line.points.clear();
            for (const auto size : sizes_of(all, line.title, "latency"))
                line.points.emplace_back(double(size),
                                         double(size) * 8 / *find(all, line.title, "latency", size));
        }
    add(bandwidth);
    plot stream{"stream-bandwidth", "Bandwidth of a stream", bytes, "Mbit/s", {}};
    for (const auto& path : paths_of(all, "bandwidth")) {
        stream.lines.push_back(line_of(all, path, "bandwidth", path));
        stream.lines.back().dashed = path.starts_with("memcpy");
    }
    add(stream);

    plot ratio{"ratio", "How many times better than netfront", bytes, "times", {}};
    for (const char* path : {"vchan", "argo"}) {
        add_ratio(ratio, all, path, "np_latency", true);
        add_ratio(ratio, all, path, "bandwidth", false);
    }
    add(ratio);

    plot rings{"rings", "Size of the rings", "bytes a ring", "Mbit/s", {}};
    for (const std::uint64_t size : {4096, 65536, 1048576})
        rings.lines.push_back(line_of(all, "vchan", fmt::format("ring_bandwidth_{}", size),
                                      fmt::format("vchan, messages of {} KiB", size / 1024)));
    add(rings);

    for (const auto& [name, metric, title, unit] :
         {std::array<std::string, 4>{"kicks-per-message", "stream_kicks_per_message", "Kicks a message",
                                     "kicks"},
          std::array<std::string, 4>{"kicks-per-mib", "stream_kicks_per_mib", "Kicks a MiB", "kicks/MiB"}}) {
        plot kicks{name, title + " of a stream; a kick is a hypercall", bytes, unit, {}};
        for (const auto& path : paths_of(all, metric))
            kicks.lines.push_back(line_of(all, path, metric, path));
        add(kicks);
    }

    plot cpu{"cpu", "CPU time of a stream of 64 KiB messages", "", "ms/GiB", {}, false, false, true, {}};
    cpu.names = paths_of(all, "cpu_guests");
    add_cpu(cpu, all);
    add(cpu);

    // Rings of the size that connections have, and what there is else between two processes.
    for (const auto& [name, metric, title, unit] :
         {std::array<std::string, 4>{"native-latency", "native_latency", "The ring alone, one way", "us"},
          std::array<std::string, 4>{"native-bandwidth", "native_bandwidth", "The ring alone, a stream",
                                     "Mbit/s"}}) {
        plot native{name, title, bytes, unit, {}};
        for (const char* way :
             {"wide/spin/256K", "wide/adaptive/256K", "wide/block/256K", "vm_writev/spin/256K", "unix/spin",
              "unix/block", "pipe/block", "tcp/block", "memcpy/once/256K", "memcpy/twice/256K"}) {
            native.lines.push_back(line_of(all, way, metric, way));
            native.lines.back().dashed = std::string_view(way).starts_with("memcpy");
        }
        std::erase_if(native.lines, [](const series& line) { return line.points.empty(); });
        add(native);
    }

    plot guests{"guests", "Total bandwidth of pairs, 64 KiB messages", "guests", "Mbit/s", {}, false, false};
    for (const auto& path : paths_of(all, "guests_bandwidth"))
        guests.lines.push_back(line_of(all, path, "guests_bandwidth", path));
    add(guests);

    plot connects{"connect", "Connect, a byte each way, close", "", "us", {}, false, false, true, {}};
    connects.names = paths_of(all, "connect");
    for (const char* metric : {"connect_p50", "connect_p99", "connect_p999"}) {
        series bars{.title = std::string(metric).substr(8), .points = {}};
        for (std::size_t i = 0; i < connects.names.size(); ++i)
            bars.points.emplace_back(double(i), find(all, connects.names[i], metric, 1).value_or(0));
        connects.lines.push_back(std::move(bars));
    }
    add(connects);
    return plots;
}

std::string plot_data(const plot& one) {
    std::string text;
    if (one.bars) { // a row for each name, a column for each series
        text = "name";
        for (const series& line : one.lines)
            text += fmt::format(" {}", line.title);
        for (std::size_t i = 0; i < one.names.size(); ++i) {
            text += fmt::format("\n{}", one.names[i]);
            for (const series& line : one.lines)
                text += fmt::format(" {:.6g}", line.points[i].second);
        }
        return text + '\n';
    }
    for (const series& line : one.lines) {
        text += fmt::format("# {}\n", line.title);
        for (const auto& [x, y] : line.points)
            text += fmt::format("{:.0f} {:.6g}\n", x, y);
        text += "\n\n"; // ends a block
    }
    return text;
}

std::string plot_script(const plot& one) {
    std::string script = fmt::format("# gnuplot {0}.gp\n"
                                     "set title \"{1}\"\nset xlabel \"{2}\"\nset ylabel \"{3}\"\n"
                                     "set linetype 5 linecolor \"gray40\" # not yellow\n"
                                     "set grid\nset key outside right top\n",
                                     one.name, one.title, one.x_label, one.y_label);
    if (one.log_x)
        script += "set logscale x 2\nset format x \"%.0b%B\"\n";
    script += one.log_y ? "set logscale y 10\n" : "set yrange [0:*]\n";
    std::string plots;
    if (one.bars) {
        script += "set style data histogram\nset style histogram clustered\nset style fill solid 0.8\n";
        for (std::size_t i = 0; i < one.lines.size(); ++i)
            plots += fmt::format("{}\"{}.dat\" using {}:xtic(1) title columnheader({})", i == 0 ? "" : ", ",
                                 one.name, i + 2, i + 2);
    } else {
        for (std::size_t i = 0; i < one.lines.size(); ++i)
            plots +=
                fmt::format("{}\"{}.dat\" index {} with linespoints {} linewidth 2 pointtype {} title \"{}\"",
                            i == 0 ? "" : ", \\\n     ", one.name, i, one.lines[i].dashed ? "dashtype 2" : "",
                            i + 4, one.lines[i].title);
    }
    for (const auto& [terminal, suffix] :
         {std::pair{"svg size 1000,600 dynamic background rgb 'white'", "svg"},
          std::pair{"pngcairo size 1000,600", "png"}})
        script += fmt::format("set terminal {}\nset output \"{}.{}\"\nplot {}\n", terminal, one.name, suffix,
                              plots);
    return script;
}

void draw(const plot& one, const fs::path& folder) {
    fs::create_directories(folder);
    std::ofstream(folder / (one.name + ".dat")) << plot_data(one);
    std::ofstream(folder / (one.name + ".gp")) << plot_script(one);
    const auto command = fmt::format("cd '{}' && gnuplot '{}.gp' 2> gnuplot.log", folder.string(), one.name);
    if (std::system(command.c_str()) != 0)
        throw std::runtime_error(
            fmt::format("gnuplot cannot draw {}; see {}", one.name, (folder / "gnuplot.log").string()));
}

} // namespace xvsock::bench
