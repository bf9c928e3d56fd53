// SPDX-License-Identifier: MIT
// xvsock-testbed: a Xen host in QEMU, from Debian packages.
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "host/failure.hpp"
#include "host/module_build.hpp"
#include "host/scenario_run.hpp"

namespace asio = boost::asio;
namespace fs = std::filesystem;
namespace po = boost::program_options;

namespace {

using namespace xvsock::testbed;

constexpr const char* usage =
    "usage: xvsock-testbed scenario DIR [options]     boot a Xen host and run a scenario\n"
    "       xvsock-testbed shell [options]            consoles of dom0 and guests\n"
    "       xvsock-testbed module [options]           build xen_vsock.ko for a suite's kernel\n"
    "Each has --help.\n";

std::string without_slash(fs::path folder) {
    folder = fs::weakly_canonical(folder);
    return folder.filename().string();
}

po::options_description common_options(run_options& options) {
    const fs::path build = TESTBED_BUILD_FOLDER;
    po::options_description described("Options");
    auto add = described.add_options();
    add("help,h", "print this");
    add("suite", po::value<std::string>(), "bookworm, trixie or sid; more than what the scenario says");
    add("kernel", po::value<std::string>(), "suite or debug; more than what the scenario says");
    add("virtual-time", po::bool_switch(&options.virtual_time),
        "one instruction takes one nanosecond (slow, exact)");
    add("accel", po::value(&options.accelerator)->default_value("auto"), "auto, kvm or tcg");
    add("timeout", po::value<double>(), "time limit in seconds");
    add("out", po::value(&options.out), "folder for logs and results; default build/scenarios/NAME");
    add("artifacts", po::value(&options.artifacts)->default_value(build / "release"),
        "holds bin/ and modules/");
    add("cache", po::value(&options.cache)->default_value(build / "cache"), "folder of the images");
    add("set", po::value<std::vector<std::string>>()->composing(),
        "KEY=VALUE: replaces a key of scenario.json");
    add("refresh", po::bool_switch(&options.refresh), "build the images anew");
    add("monitor", po::value(&options.monitor), "a socket at which QEMU answers QMP");
    add("keep", po::bool_switch(&options.keep), "keep the initramfs in the output folder");
    return described;
}

using settings = std::vector<std::pair<std::string, std::string>>;

settings collect_settings(const po::variables_map& given) {
    settings result;
    if (given.count("set") > 0)
        for (const auto& text : given["set"].as<std::vector<std::string>>()) {
            const auto equals = text.find('=');
            if (equals == std::string::npos || equals == 0)
                throw failure(exit_usage, fmt::format("--set {}: must be KEY=VALUE", text));
            result.emplace_back(text.substr(0, equals), text.substr(equals + 1));
        }
    if (given.count("suite") > 0)
        result.emplace_back("suite", given["suite"].as<std::string>());
    if (given.count("kernel") > 0)
        result.emplace_back("kernel", given["kernel"].as<std::string>());
    if (given.count("timeout") > 0)
        result.emplace_back("timeout", fmt::format("{}", given["timeout"].as<double>()));
    return result;
}

void check(const run_options& options) {
    if (options.accelerator != "auto" && options.accelerator != "kvm" && options.accelerator != "tcg")
        throw failure(exit_usage, fmt::format("--accel {}: must be auto, kvm or tcg", options.accelerator));
    if (options.virtual_time && options.accelerator == "kvm")
        throw failure(exit_usage,
                      "--virtual-time counts emulated instructions; it cannot be had with --accel kvm");
}

asio::awaitable<int> scenario_command(std::vector<std::string> words) {
    run_options options;
    auto described = common_options(options);
    po::options_description hidden;
    hidden.add_options()("folder", po::value<std::string>());
    po::positional_options_description positions;
    positions.add("folder", 1);
    po::options_description all;
    all.add(described).add(hidden);
    po::variables_map given;
    po::store(po::command_line_parser(words).options(all).positional(positions).run(), given);
    po::notify(given);
    if (given.count("help") > 0 || given.count("folder") == 0) {
        (given.count("help") > 0 ? std::cout : std::cerr) << usage << described;
        co_return given.count("help") > 0 ? exit_passed : exit_usage;
    }
    check(options);
    const fs::path folder = given["folder"].as<std::string>();
    if (options.out.empty())
        options.out = fs::path(TESTBED_BUILD_FOLDER) / "scenarios" /
                      (without_slash(folder) + (options.virtual_time ? "-virtual" : ""));
    auto what = load_scenario(folder, collect_settings(given));
    co_return co_await run_scenario(std::move(what), options, progress()) ? exit_passed : exit_failed;
}

asio::awaitable<int> shell_command(std::vector<std::string> words) {
    run_options options;
    int guests = 2;
    auto described = common_options(options);
    described.add_options()("guests", po::value(&guests)->default_value(2), "number of guests, 1 to 16");
    po::variables_map given;
    po::store(po::command_line_parser(words).options(described).positional({}).run(), given);
    po::notify(given);
    if (given.count("help") > 0) {
        std::cout << usage << described;
        co_return exit_passed;
    }
    check(options);
    options.interactive = true;
    if (options.out.empty())
        options.out = fs::path(TESTBED_BUILD_FOLDER) / "scenarios/shell";
    auto changes = collect_settings(given);
    changes.emplace_back("guests.count", std::to_string(guests));
    auto what = shell_scenario(changes);
    co_return co_await run_scenario(std::move(what), options, progress()) ? exit_passed : exit_failed;
}

asio::awaitable<int> module_command(std::vector<std::string> words) {
    const fs::path build = TESTBED_BUILD_FOLDER;
    const fs::path sources = TESTBED_SOURCE_FOLDER;
    module_options options;
    po::options_description described("Options");
    auto add = described.add_options();
    add("help,h", "print this");
    add("suite", po::value(&options.suite)->default_value("bookworm"),
        "bookworm, trixie, sid or bookworm-backports");
    add("kernel", po::value(&options.kernel)->default_value(suite_kernel),
        "suite, or debug for the debug kernel");
    add("source", po::value(&options.source)->default_value(sources / "vsock_transport"),
        "the module's folder");
    add("out", po::value(&options.out)->default_value(build / "release/modules"),
        "gets KERNEL-RELEASE/xen_vsock.ko");
    add("cache", po::value(&options.cache)->default_value(build / "cache"), "folder of the images");
    add("sparse", po::bool_switch(&options.sparse), "check the module with sparse, too");
    add("refresh", po::bool_switch(&options.refresh), "make the build root anew");
    po::variables_map given;
    po::store(po::command_line_parser(words).options(described).positional({}).run(), given);
    po::notify(given);
    if (given.count("help") > 0) {
        std::cout << usage << described;
        co_return exit_passed;
    }
    if (!is_module_suite(options.suite))
        throw failure(exit_usage,
                      fmt::format("--suite {}: must be one of {}", options.suite, module_suite_names()));
    if (options.kernel != suite_kernel && options.kernel != debug_kernel)
        throw failure(exit_usage, fmt::format("--kernel {}: must be suite or debug", options.kernel));
    if (options.kernel == debug_kernel && options.sparse)
        throw failure(exit_usage, "--sparse works with a suite's kernel only");
    options.source = fs::weakly_canonical(options.source);
    co_await build_module(options, progress());
    co_return exit_passed;
}

asio::awaitable<int> dispatch(std::vector<std::string> words) {
    const auto subcommand = words.empty() ? std::string() : words.front();
    if (!words.empty())
        words.erase(words.begin());
    if (subcommand == "scenario")
        co_return co_await scenario_command(std::move(words));
    if (subcommand == "module")
        co_return co_await module_command(std::move(words));
    if (subcommand == "shell")
        co_return co_await shell_command(std::move(words));
    const bool help = subcommand == "--help" || subcommand == "-h";
    fmt::print(help ? stdout : stderr, "{}", usage);
    co_return help ? exit_passed : exit_usage;
}

int report(const std::exception_ptr& error, int interrupted_by) {
    if (interrupted_by != 0) {
        fmt::print(stderr, "xvsock-testbed: interrupted ({}); everything it had started is stopped\n",
                   interrupted_by == SIGINT ? "Ctrl-C" : "terminated");
        return exit_interrupted;
    }
    try {
        std::rethrow_exception(error);
    } catch (const failure& reason) {
        fmt::print(stderr, "xvsock-testbed: {}\n", reason.what());
        return reason.code();
    } catch (const po::error& reason) {
        fmt::print(stderr, "xvsock-testbed: {}\n", reason.what());
        return exit_usage;
    } catch (const std::exception& reason) {
        fmt::print(stderr, "xvsock-testbed: {}\n", reason.what());
        return exit_environment;
    }
}

} // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    asio::io_context context;
    asio::cancellation_signal cancel;
    int interrupted_by = 0;
    asio::signal_set signals(context, SIGINT, SIGTERM, SIGHUP);
    signals.async_wait([&](const boost::system::error_code& error, int number) {
        if (error)
            return;
        interrupted_by = number;
        cancel.emit(asio::cancellation_type::terminal);
    });
    int result = exit_environment;
    asio::co_spawn(
        context, dispatch({argv + 1, argv + argc}),
        asio::bind_cancellation_slot(cancel.slot(), [&](const std::exception_ptr& error, int status) {
            result = error ? report(error, interrupted_by) : status;
            signals.cancel();
        }));
    context.run();
    return result;
}
