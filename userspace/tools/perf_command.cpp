// SPDX-License-Identifier: MIT
// `xvsock perf`: reads the command line, runs the server or the client, and shows what was measured.
#include "command_line.hpp"
#include "perf/client.hpp"
#include "perf/quantity.hpp"
#include "perf/records.hpp"
#include "perf/server.hpp"
#include "perf/supervisor.hpp"
#include "subcommand.hpp"

#include <boost/program_options.hpp>
#include <fmt/format.h>
#include <iostream>
#include <mutex>
#include <random>

namespace xvsock {

namespace po = boost::program_options;
using namespace perf;

namespace {

constexpr const char* usage =
    "Usage: xvsock perf --listen ADDRESS [--once | --sessions N] [OPTION...]\n"
    "       xvsock perf --connect ADDRESS [--latency SIZES] [--bandwidth SIZES] [--connects N] [OPTION...]\n"
    "Measures ping-pong latency, stream bandwidth and the time of a short connection between two ends of a\n"
    "stream socket.\n\n"
    "ADDRESS is vsock:CID:PORT, tcp:HOST:PORT or unix:PATH; to listen, CID and HOST may be left out.\n"
    "SIZES is a list of message sizes like 1,64,4K,64K,1M.\n\n";

/// The command line as it was read, before anything is opened.
struct perf_options {
    std::optional<address> listen, connect;
    std::uint64_t sessions = 0;
    std::vector<std::uint32_t> latency_sizes, bandwidth_sizes;
    std::uint64_t connects = 0;
    std::chrono::nanoseconds seconds = std::chrono::seconds(1);
    std::optional<std::uint64_t> count, volume;
    test_kind direction = test_kind::stream_send;
    std::uint64_t warmup = 0, verify_volume = 0, buffer = 0, seed = 0;
    std::string json_file, path, mode;
    bool append = false;
    std::chrono::nanoseconds timeout{}, wait{};
};

test_kind parse_direction(const std::string& text) {
    if (text == "send")
        return test_kind::stream_send;
    if (text == "receive")
        return test_kind::stream_receive;
    if (text == "both")
        return test_kind::stream_both;
    throw usage_error(fmt::format("direction '{}' is not send, receive or both", text));
}

std::string_view bandwidth_metric(test_kind direction) {
    switch (direction) {
    case test_kind::stream_receive:
        return "bandwidth_receive";
    case test_kind::stream_both:
        return "bandwidth_both";
    default:
        return "bandwidth";
    }
}

po::options_description describe_options() {
    const auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
    po::options_description server("Server"), client("Client"), both("Both"), all;
    server.add_options()("listen,l", text("ADDRESS"), "serve clients at this address")(
        "once", "end after one client")("sessions", text("N"), "end after N clients");
    client.add_options()("connect", text("ADDRESS"), "measure against the server at this address")(
        "latency", text("SIZES"), "ping-pong at these message sizes")("bandwidth", text("SIZES"),
                                                                      "stream at these message sizes")(
        "connects", text("N"), "connect, move a byte each way, close; N times in sequence")(
        "seconds", text("S"), "how long each measurement runs (default 1)")(
        "count", text("N"), "messages in each measurement, instead of a time")(
        "volume", text("BYTES"), "bytes in each measurement of bandwidth, instead of a time")(
        "direction", text("WAY")->default_value("send"),
        "of streams: send, receive, or both at the same time, counted together")(
        "warmup", text("N"), "messages before each measurement (default 16)")(
        "verify", po::value<std::string>()->implicit_value("1M")->default_value("1M")->value_name("BYTES"),
        "bytes of checked pseudo-random data moved at each size before it is measured; --verify=0 for none")(
        "seed", text("N"), "of the pseudo-random data (default: random)")(
        "wait", text("S"), "try again for S seconds while nobody listens")(
        "json", text("FILE")->implicit_value("-"),
        "write the results as records to FILE, or to standard output")(
        "append", "keep the records that FILE has, replacing those that measure the same")(
        "path", text("NAME"), "the records' path (default: vsock, tcp or unix)")(
        "mode", text("MODE")->default_value("wall"), "the records' mode: virtual, wall or native");
    both.add_options()("timeout", text("S"),
                       "give up when connecting takes, or no data moves for, S seconds (default 60)")(
        "buffer", text("BYTES"), "socket buffer size (default: the kernel's)")("help,h", "show this help");
    all.add(server).add(client).add(both);
    return all;
}

/// Refuses an option that belongs to the other role, instead of ignoring it.
void refuse_options(const po::variables_map& values, std::initializer_list<const char*> names,
                    const char* role) {
    for (const char* name : names)
        if (values.count(name) && !values[name].defaulted())
            throw usage_error(fmt::format("--{} is for {}", name, role));
}

perf_options read_options(const po::variables_map& values) {
    const auto text = [&](const char* name) { return values[name].as<std::string>(); };
    const auto has = [&](const char* name) { return values.count(name) != 0; };
    perf_options options;
    if (has("listen") == has("connect"))
        throw usage_error("give one of --listen and --connect");

    options.timeout = has("timeout") ? parse_seconds(text("timeout"), "timeout") : std::chrono::seconds(60);
    options.buffer = has("buffer") ? parse_size(text("buffer")) : 0;
    if (has("listen")) {
        refuse_options(values,
                       {"latency", "bandwidth", "connects", "seconds", "count", "volume", "direction",
                        "warmup", "verify", "seed", "wait", "json", "append", "path", "mode"},
                       "the client, with --connect");
        if (has("once") && has("sessions"))
            throw usage_error("give one of --once and --sessions");
        options.listen = parse_address(text("listen"), address_role::listen);
        options.sessions = has("once") ? 1 : has("sessions") ? parse_number(text("sessions"), "sessions") : 0;
        if (has("sessions") && options.sessions == 0)
            throw usage_error("--sessions must be at least 1");
        return options;
    }

    refuse_options(values, {"once", "sessions"}, "the server, with --listen");
    options.connect = parse_address(text("connect"), address_role::connect);
    if (has("latency"))
        options.latency_sizes = parse_message_sizes(text("latency"));
    if (has("bandwidth"))
        options.bandwidth_sizes = parse_message_sizes(text("bandwidth"));
    constexpr std::uint64_t max_connects = 10'000'000; // the time of each is kept
    if (has("connects") && (options.connects = parse_number(text("connects"), "connects", max_connects)) == 0)
        throw usage_error("--connects must be at least 1");
    if (!has("latency") && !has("bandwidth") && !has("connects")) {
        options.latency_sizes = {1, 64, 1024, 4096, 65536};
        options.bandwidth_sizes = {64, 1024, 4096, 65536, 1 << 20};
    }
    constexpr std::uint64_t max_messages = std::uint64_t{1} << 32;
    if (has("seconds") && (has("count") || has("volume")))
        throw usage_error("--seconds cannot be given with --count or --volume");
    if (has("seconds"))
        options.seconds = parse_seconds(text("seconds"), "seconds");
    if (has("count"))
        options.count = parse_number(text("count"), "count", max_messages);
    if (has("volume"))
        options.volume = parse_size(text("volume"));
    if (options.count == 0 || options.volume == 0)
        throw usage_error("--count and --volume must be at least 1");
    options.direction = parse_direction(text("direction"));
    options.warmup = has("warmup") ? parse_number(text("warmup"), "warmup", max_messages) : 16;
    options.verify_volume = parse_size(text("verify"));
    options.seed = has("seed") ? parse_number(text("seed"), "seed") : std::random_device{}() | 1;
    options.wait = has("wait") ? parse_seconds(text("wait"), "wait") : std::chrono::seconds(0);
    options.json_file = has("json") ? text("json") : "";
    options.append = has("append");
    if (options.append && (options.json_file.empty() || options.json_file == "-"))
        throw usage_error("--append needs --json FILE");
    options.path = has("path") ? text("path") : std::string(default_path_name(options.connect->family));
    options.mode = text("mode");
    if (options.mode != "virtual" && options.mode != "wall" && options.mode != "native")
        throw usage_error(fmt::format("mode '{}' is not virtual, wall or native", options.mode));
    return options;
}

/// Runs the measurements of one client and prints each row as soon as it is there.
class measurement {
public:
    measurement(const perf_options& options, stream& connection, supervisor& watcher, std::FILE* output)
        : options_(options), client_(connection, options.seed), watcher_(watcher), output_(output) {}

    std::vector<record> run() {
        measure_latencies();
        measure_bandwidths();
        measure_connects();
        if (verified_ != 0)
            fmt::print(output_, "\nverified: {} bytes compared, no difference (seed {})\n", verified_,
                       options_.seed);
        return std::move(records_);
    }

private:
    void measure_latencies() {
        if (options_.latency_sizes.empty())
            return;
        fmt::print(output_,
                   "\nlatency, one way, us\n{:>9} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}\n",
                   "bytes", "rounds", "mean", "min", "p50", "p99", "p99.9", "max");
        for (const std::uint32_t size : options_.latency_sizes) {
            prepare(test_kind::ping_pong, size);
            const auto result = client_.measure_latency(size, {options_.seconds, options_.count});
            fmt::print(output_, "{:>9} {:>10} {:>10.2f} {:>10.2f} {:>10.2f} {:>10.2f} {:>10.2f} {:>10.2f}\n",
                       size, result.rounds, result.mean / 1e3, result.min / 1e3, result.p50 / 1e3,
                       result.p99 / 1e3, result.p999 / 1e3, result.max / 1e3);
            std::fflush(output_);
            const std::pair<const char*, double> metrics[] = {
                {"latency", result.mean},    {"latency_min", result.min},   {"latency_p50", result.p50},
                {"latency_p99", result.p99}, {"latency_p999", result.p999}, {"latency_max", result.max}};
            for (const auto& [metric, value] : metrics)
                add_record(metric, size, value / 1e3, "us");
        }
    }

    void measure_bandwidths() {
        if (options_.bandwidth_sizes.empty())
            return;
        const auto metric = bandwidth_metric(options_.direction);
        fmt::print(output_, "\n{}\n{:>9} {:>10} {:>12} {:>10} {:>10} {:>10}\n", metric, "bytes", "messages",
                   "volume", "seconds", "MB/s", "Mbit/s");
        for (const std::uint32_t size : options_.bandwidth_sizes) {
            prepare(options_.direction, size);
            test_length length{options_.seconds, options_.count};
            if (options_.volume)
                length.count = (*options_.volume + size - 1) / size;
            const auto result = client_.measure_bandwidth(options_.direction, size, length);
            fmt::print(output_, "{:>9} {:>10} {:>12} {:>10.4f} {:>10.2f} {:>10.1f}\n", size, result.messages,
                       result.bytes, result.seconds, result.megabytes_per_second(),
                       result.megabits_per_second());
            std::fflush(output_);
            add_record(metric, size, result.megabits_per_second(), "Mbit/s");
        }
    }

    void measure_connects() {
        if (options_.connects == 0)
            return;
        fmt::print(
            output_,
            "\nconnect, a byte each way, close, us\n{:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}\n",
            "cycles", "mean", "min", "p50", "p99", "p99.9", "max");
        if (options_.warmup != 0)
            client_.measure_connects(options_.warmup, watcher_, options_.timeout);
        const auto result = client_.measure_connects(options_.connects, watcher_, options_.timeout);
        verified_ += 2 * result.cycles;
        fmt::print(output_, "{:>10} {:>10.2f} {:>10.2f} {:>10.2f} {:>10.2f} {:>10.2f} {:>10.2f}\n",
                   result.cycles, result.mean / 1e3, result.min / 1e3, result.p50 / 1e3, result.p99 / 1e3,
                   result.p999 / 1e3, result.max / 1e3);
        std::fflush(output_);
        const std::pair<const char*, double> metrics[] = {
            {"connect", result.mean},    {"connect_min", result.min},   {"connect_p50", result.p50},
            {"connect_p99", result.p99}, {"connect_p999", result.p999}, {"connect_max", result.max}};
        for (const auto& [metric, value] : metrics)
            add_record(metric, 1, value / 1e3, "us");
    }

    void prepare(test_kind kind, std::uint32_t size) {
        if (options_.verify_volume != 0)
            verified_ += client_.verify(kind, size, options_.verify_volume);
        client_.warm_up(kind, size, options_.warmup);
    }

    void add_record(std::string_view metric, std::uint32_t size, double value, std::string_view unit) {
        records_.push_back({.path = options_.path,
                            .metric = std::string(metric),
                            .bytes = size,
                            .value = value,
                            .unit = std::string(unit),
                            .mode = options_.mode});
    }

    const perf_options& options_;
    client client_;
    supervisor& watcher_;
    std::FILE* output_;
    std::vector<record> records_;
    std::uint64_t verified_ = 0;
};

int run_server(const perf_options& options, supervisor& watcher) {
    listener from(*options.listen, options.buffer);
    std::mutex output; // sessions log from their own threads
    const auto log = [&](const std::string& line) {
        const std::lock_guard lock(output);
        fmt::print("{}\n", line);
        std::fflush(stdout);
    };
    log("listening on " + from.name());
    const auto result =
        serve(from, watcher, {.sessions = options.sessions, .buffer = options.buffer, .log = log});
    if (watcher.stopping())
        log(fmt::format("stopped: {} sessions completed, {} dropped", result.completed, result.failed));
    // A server that was told how many clients to serve fails with them; one that runs until stopped does not.
    return options.sessions != 0 && result.completed != options.sessions ? exit_failed : exit_ok;
}

std::vector<record> read_existing(const std::string& file) {
    return std::filesystem::exists(file) ? read_records(file) : std::vector<record>{};
}

int run_client(const perf_options& options, supervisor& watcher) {
    const bool json_to_stdout = options.json_file == "-";
    if (!options.json_file.empty() && !json_to_stdout)
        check_record_file(options.json_file);
    if (options.append)
        read_existing(
            options.json_file); // a file that cannot be merged into is better refused before the work
    stream connection =
        connect_to(*options.connect,
                   {.timeout = options.timeout, .wait = options.wait, .buffer = options.buffer}, watcher);
    const supervisor::watch watch(watcher, connection);
    std::FILE* const output = json_to_stdout ? stderr : stdout;
    fmt::print(output, "{} over {}, mode {}\n", options.path, to_string(*options.connect), options.mode);
    std::fflush(output);

    const auto measured = measurement(options, connection, watcher, output).run();
    if (json_to_stdout) {
        fmt::print("{}", format_records(measured));
    } else if (!options.json_file.empty()) {
        // Read again: another client may have appended to the file in the meantime.
        auto records = options.append ? read_existing(options.json_file) : std::vector<record>{};
        merge_records(records, measured);
        write_records(options.json_file, records);
    }
    return exit_ok;
}

} // namespace

int run_perf(const std::vector<std::string>& arguments) {
    const po::options_description description = describe_options();
    po::variables_map values;
    po::store(po::command_line_parser(join_json_file(arguments))
                  .options(description)
                  .positional(po::positional_options_description())
                  .run(),
              values);
    po::notify(values);
    if (values.count("help")) {
        std::cout << usage << description
                  << "\nExit status: 0 measured and verified, 1 failed, 2 wrong command line.\n";
        return exit_ok;
    }
    perf_options options;
    try {
        options = read_options(values);
    } catch (const std::invalid_argument& error) {
        throw usage_error(error.what());
    }
    supervisor watcher({.handle_signals = true, .stall_timeout = options.timeout});
    return options.listen ? run_server(options, watcher) : run_client(options, watcher);
}

} // namespace xvsock
