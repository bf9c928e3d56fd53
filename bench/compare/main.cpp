// SPDX-License-Identifier: MIT
// xvsock-bench: measures the data paths, part by part, and writes results.json, a report and plots.
#include "collect.hpp"
#include "machine.hpp"
#include "part.hpp"
#include "part_run.hpp"
#include "plot.hpp"
#include "report.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iostream>

#include <boost/algorithm/string.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/program_options.hpp>
#include <fmt/format.h>

namespace asio = boost::asio;
namespace fs = std::filesystem;
namespace po = boost::program_options;

namespace {

using namespace xvsock::bench;
using clock_type = std::chrono::steady_clock;

enum exit_code : int {
    exit_passed = 0,
    exit_failed = 1,
    exit_usage = 2,
    exit_environment = 3,
    exit_interrupted = 130
};

struct options {
    wanted what;
    fs::path out;
    run_folders folders;
    bool again = false;
    std::vector<part> parts;
};

void say(const std::string& text) {
    fmt::print("{}\n", text);
    std::fflush(stdout);
}

/// Why a part gave nothing, for the report: the place of the sources is nobody's business.
std::string reason(const run_outcome& outcome) {
    return boost::replace_all_copy(outcome.last_line, BENCH_SOURCE_FOLDER "/", "");
}

class usage_error : public std::runtime_error {
    using runtime_error::runtime_error;
};

mode parse_mode(const std::string& text) {
    for (const mode each : {mode::virtual_time, mode::wall, mode::native})
        if (text == to_string(each))
            return each;
    throw usage_error(fmt::format("--mode {}: must be virtual, wall or native", text));
}

std::vector<std::string> parse_paths(const std::string& text) {
    std::vector<std::string> paths;
    boost::split(paths, text, boost::is_any_of(", "), boost::token_compress_on);
    for (const auto& path : paths)
        if (std::ranges::find(known_paths(), path) == known_paths().end())
            throw usage_error(
                fmt::format("--paths: '{}' is none of {}", path, fmt::join(known_paths(), ", ")));
    return paths;
}

std::vector<part> parse_parts(const std::string& text, const wanted& what) {
    std::vector<std::string> names;
    if (!text.empty())
        boost::split(names, text, boost::is_any_of(", "), boost::token_compress_on);
    try {
        return chosen(plan(what), names);
    } catch (const std::invalid_argument& error) {
        throw usage_error(fmt::format("--parts: {}", error.what()));
    }
}

/// Nothing when it was --help.
std::optional<options> read_options(int argc, char** argv) {
    const fs::path build = BENCH_BUILD_FOLDER;
    options result;
    std::string mode_name, paths, parts;
    po::options_description described("Options");
    auto add = described.add_options();
    add("mode", po::value(&mode_name)->default_value("wall"),
        "virtual: count instructions; wall: measure time in the testbed; native: the ring alone, on this "
        "machine");
    add("paths", po::value(&paths)->default_value(fmt::format("{}", fmt::join(known_paths(), ","))),
        "data paths and yardsticks");
    add("quick", po::bool_switch(&result.what.quick), "fewer rounds, and no part with many guests");
    add("parts", po::value(&parts),
        "only these, like pair,cost; points and points-argo are only measured so");
    add("out", po::value(&result.out), "folder; default build/bench/MODE");
    add("again", po::bool_switch(&result.again), "measure also what has been measured");
    add("artifacts", po::value(&result.folders.artifacts)->default_value(build / "release"),
        "holds bin/ and modules/");
    add("cache", po::value(&result.folders.cache)->default_value(build / "cache"), "folder of the images");
    add("help,h", "print this");
    po::variables_map given;
    po::store(po::command_line_parser(argc, argv).options(described).positional({}).run(), given);
    po::notify(given);
    if (given.count("help") > 0) {
        std::cout << "usage: xvsock-bench [OPTIONS]      also: ./run bench [OPTIONS]\n"
                     "Compares data paths between Xen domains. Interrupted, it goes on where it was.\n"
                  << described;
        return {};
    }
    result.what.which = parse_mode(mode_name);
    result.what.paths = parse_paths(paths);
    result.what.scenarios = fs::path(BENCH_SOURCE_FOLDER) / "bench/compare/scenarios";
    result.parts = parse_parts(parts, result.what);
    if (result.out.empty())
        result.out = build / "bench" / mode_name;
    result.out = fs::absolute(result.out);
    result.folders.raw = result.out / "raw";
    return result;
}

/// What a figure depends on besides the scenario: the modules, and the programs that measure.
std::vector<fs::path> measured_programs(const fs::path& artifacts) {
    std::vector<fs::path> files;
    for (const char* name :
         {"xvsock", "xvsock-preload.so", "bench-memcpy", "bench-xenvchan", "bench-cpu-time"})
        files.push_back(artifacts / "bin" / name);
    if (fs::exists(artifacts / "modules"))
        for (const auto& kernel : fs::directory_iterator(artifacts / "modules"))
            if (fs::exists(kernel.path() / "xen_vsock.ko"))
                files.push_back(kernel.path() / "xen_vsock.ko");
    std::ranges::sort(files);
    return files;
}

/// results.json, report.md and plots/, of what is there now.
void write_all(const options& how, const std::vector<part>& finished, const std::vector<std::string>& notes) {
    const auto mode_name = to_string(how.what.which);
    auto all = collect(how.folders.raw, finished, how.what.which);
    add_machine(all.where, BENCH_SOURCE_FOLDER);
    write_results(how.out / "results.json", all);
    const auto plots = plots_of(all, mode_name);
    std::ofstream(how.out / "report.md") << report(all, mode_name, how.what.quick, notes, plots);
    for (const plot& one : plots)
        draw(one, how.out / "plots");
}

asio::awaitable<int> run_all(options how) {
    const auto& parts = how.parts;
    const auto programs = measured_programs(how.folders.artifacts);
    fs::create_directories(how.folders.raw);
    std::vector<part> finished;
    std::vector<std::string> notes;
    bool failed = false;

    const auto is_done = [&](const part& one) {
        return !how.again && marker(how.folders.raw, one).matches(fingerprint(one, how.what.which, programs));
    };
    std::vector<bool> done;
    for (const part& one : parts)
        done.push_back(is_done(one));
    const auto estimate = [&](const part& one) {
        const double before = marker(how.folders.raw, one).seconds();
        return before > 0 ? before : one.estimate;
    };
    const auto left_after = [&](std::size_t index) {
        double seconds = 0;
        for (std::size_t i = index + 1; i < parts.size(); ++i)
            seconds += done[i] ? 0 : estimate(parts[i]);
        return seconds;
    };

    for (std::size_t i = 0; i < parts.size(); ++i) {
        const part& one = parts[i];
        const marker mark(how.folders.raw, one);
        const auto title = fmt::format("part {} of {}: {}", i + 1, parts.size(), one.name);
        if (done[i]) {
            say(title + ": measured already");
            finished.push_back(one);
            continue;
        }
        if (one.scenario.empty() && !fs::exists(how.folders.artifacts / "bin/xvsock-ring-bench")) {
            notes.push_back(fmt::format("{} is left out: xvsock-ring-bench is not built", one.name));
            say(fmt::format("{}: {}", title, notes.back()));
            continue;
        }
        mark.clear();
        const auto made_with =
            fingerprint(one, how.what.which, programs); // of now: the files may change meanwhile
        const auto start = clock_type::now();
        const auto seconds = [&] { return std::chrono::duration<double>(clock_type::now() - start).count(); };
        const auto show = [&](const std::string& line) {
            const double left = std::max(0.0, estimate(one) - seconds()) + left_after(i);
            say(fmt::format("[{}/{} {}, {} left] {}", i + 1, parts.size(), one.name, in_words(left), line));
        };
        say(fmt::format("{}; {} in all", title, in_words(estimate(one) + left_after(i))));
        const auto outcome = co_await run_part(one, how.what.which, how.folders, show);
        if (outcome.status == 0) {
            mark.set(made_with, seconds());
            finished.push_back(one);
            write_all(how, finished, notes);
        } else if (one.optional && (outcome.status == exit_usage || outcome.status == exit_environment)) {
            notes.push_back(fmt::format("{} is left out: {}", one.name, reason(outcome)));
            say(notes.back());
        } else {
            failed = true;
            notes.push_back(fmt::format("{} failed: {}", one.name, reason(outcome)));
            say(notes.back());
        }
    }
    write_all(how, finished, notes);
    say(fmt::format("{}: results.json, report.md, plots/, raw/", how.out.string()));
    co_return failed || finished.empty() ? exit_failed : exit_passed;
}

int explain(const std::exception_ptr& error, bool interrupted) {
    if (interrupted) {
        fmt::print(
            stderr,
            "xvsock-bench: interrupted; what was measured is kept, and the next run goes on from there\n");
        return exit_interrupted;
    }
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& reason) {
        fmt::print(stderr, "xvsock-bench: {}\n", reason.what());
        return exit_environment;
    }
}

} // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    std::optional<options> how;
    try {
        how = read_options(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "xvsock-bench: {}\n", error.what());
        return exit_usage;
    }
    if (!how)
        return exit_passed;

    asio::io_context context;
    asio::cancellation_signal cancel;
    bool interrupted = false;
    asio::signal_set signals(context, SIGINT, SIGTERM, SIGHUP);
    signals.async_wait([&](const boost::system::error_code& error, int) {
        if (error)
            return;
        interrupted = true;
        cancel.emit(asio::cancellation_type::terminal);
    });
    int result = exit_environment;
    asio::co_spawn(
        context, run_all(*how),
        asio::bind_cancellation_slot(cancel.slot(), [&](const std::exception_ptr& error, int status) {
            result = error || interrupted ? explain(error, interrupted) : status;
            signals.cancel();
        }));
    context.run();
    return result;
}
