// SPDX-License-Identifier: MIT
// `xvsock stat`: reads the command line, and shows the module's counters once or again and again.
#include "command_line.hpp"
#include "perf/quantity.hpp"
#include "stat/display.hpp"
#include "subcommand.hpp"

#include <boost/program_options.hpp>
#include <cstring>
#include <fmt/format.h>
#include <iostream>
#include <memory>
#include <thread>

namespace xvsock {

namespace po = boost::program_options;
using namespace counters;

namespace {

struct stat_options {
    bool connections = false;
    std::vector<std::uint32_t> cids;
    std::string json_file;
    std::optional<std::chrono::nanoseconds> watch;
    std::uint64_t samples = 0;
    std::filesystem::path debugfs;
};

/// Where JSON goes: a file that is opened before the work, or standard output.
class json_output {
public:
    explicit json_output(const std::string& file) : name_(file == "-" ? "standard output" : file) {
        if (file == "-") {
            stream_ = stdout;
        } else if (!file.empty()) {
            owned_.reset(std::fopen(file.c_str(), "we"));
            if (!owned_)
                fail();
            stream_ = owned_.get();
        }
    }

    bool wanted() const { return stream_ != nullptr; }

    void write(const std::string& text) {
        if (std::fputs(text.c_str(), stream_) < 0 || std::fflush(stream_) != 0)
            fail();
    }

private:
    struct closer {
        void operator()(std::FILE* stream) const { std::fclose(stream); }
    };

    [[noreturn]] void fail() const {
        throw std::runtime_error(fmt::format("cannot write {}: {}", name_, std::strerror(errno)));
    }

    std::string name_;
    std::unique_ptr<std::FILE, closer> owned_;
    std::FILE* stream_ = nullptr;
};

snapshot take(const stat_options& options) {
    snapshot now = read_snapshot(options.debugfs);
    keep_cids(now, options.cids);
    return now;
}

/// A CID that is asked for once has to be there; while watching it may come and go.
void refuse_missing_cids(const stat_options& options, const snapshot& now) {
    for (const std::uint32_t cid : options.cids) {
        const auto is_it = [&](const entry& peer) { return peer.number("cid") == cid; };
        if (std::ranges::none_of(now.peers, is_it))
            throw std::runtime_error(fmt::format("there is no peer with CID {}", cid));
    }
}

int show(const stat_options& options) {
    json_output json(options.json_file);
    const bool tables = options.json_file != "-";
    const auto print = [](const std::string& text) {
        fmt::print("{}", text);
        if (std::fflush(stdout) != 0)
            throw std::runtime_error(fmt::format("cannot write the output: {}", std::strerror(errno)));
    };

    auto due = std::chrono::steady_clock::now();
    std::optional<snapshot> older;
    for (std::uint64_t sample = 1;; ++sample) {
        const snapshot now = take(options);
        if (!options.watch)
            refuse_missing_cids(options, now);
        if (tables)
            print(older ? fmt::format("\n{}", format_rates(now, *older, options.connections))
                        : format_tables(now, options.connections));
        if (json.wanted())
            json.write(format_json(now, older ? &*older : nullptr));
        if (!options.watch || sample == options.samples)
            return exit_ok;
        older = now;
        due += *options.watch;
        std::this_thread::sleep_until(due);
    }
}

} // namespace

int run_stat(const std::vector<std::string>& arguments) {
    stat_options options;
    std::string watch, samples, debugfs;
    std::vector<std::string> cids;
    po::options_description description("Options");
    const auto text = [](std::string& into, const char* name) { return po::value(&into)->value_name(name); };
    description.add_options()("connections", "show the connections, too")(
        "cid", po::value(&cids)->composing()->value_name("CID"),
        "only this peer and its connections; may be given several times")(
        "json", text(options.json_file, "FILE")->implicit_value("-"),
        "write JSON to FILE, or to standard output in the place of tables")(
        "watch", text(watch, "S"), "again every S seconds, with what was counted a second")(
        "samples", text(samples, "N"), "end after N times; with --watch")(
        "debugfs", text(debugfs, "DIR")->default_value("/sys/kernel/debug"),
        "where debugfs is mounted")("help,h", "show this help");
    po::variables_map values;
    po::store(po::command_line_parser(join_json_file(arguments))
                  .options(description)
                  .positional(po::positional_options_description())
                  .run(),
              values);
    po::notify(values);
    if (values.count("help")) {
        std::cout << "Usage: xvsock stat [OPTION...]\n"
                     "Shows what the module xen_vsock has counted, for each peer and connection.\n\n"
                  << description << "\nExit status: 0 shown, 1 failed, 2 wrong command line.\n";
        return exit_ok;
    }
    options.connections = values.count("connections") != 0;
    options.debugfs = debugfs;
    try {
        for (const std::string& cid : cids)
            options.cids.push_back(std::uint32_t(perf::parse_number(cid, "CID", UINT32_MAX)));
        if (!watch.empty())
            options.watch = perf::parse_seconds(watch, "watch");
        if (!samples.empty())
            options.samples = perf::parse_number(samples, "samples");
    } catch (const std::invalid_argument& error) {
        throw usage_error(error.what());
    }
    if (!samples.empty() && (!options.watch || options.samples == 0))
        throw usage_error("--samples is for --watch, and must be at least 1");
    return show(options);
}

} // namespace xvsock
