// SPDX-License-Identifier: MIT
// `xvsockd`: keeps the peer links between domains as the policy says, from dom0.
#include "cid_table.hpp"
#include "durable_file.hpp"
#include "instance_lock.hpp"
#include "log.hpp"
#include "policy_file.hpp"
#include "service.hpp"
#include "uuid.hpp"

#include <boost/program_options.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <iostream>
#include <optional>
#include <system_error>

namespace {

using namespace xvsock::peer;
namespace po = boost::program_options;

/// exit_wrong: its files are wrong, so starting it again does not help.
enum exit_status : int { exit_ok = 0, exit_failed = 1, exit_usage = 2, exit_wrong = 3 };

int check(const std::string& file) {
    try {
        const policy rules = read_policy(file);
        fmt::print("{}: {} rules, {} limits, {} CIDs\n", file, rules.rules.size(), rules.limit_lines.size(),
                   rules.pins.size());
        return exit_ok;
    } catch (const policy_error& error) {
        fmt::print(stderr, "{}\n", error.what());
        return exit_failed;
    }
}

void make_folder(const std::string& path) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error)
        throw std::system_error(error, "make the folder " + path);
}

/// It is the CIDs that two must not write, wherever else they have their files.
std::string lock_in(const std::string& state_folder) {
    return state_folder + "/lock";
}

int forget(const std::string& state_folder, const std::string& text) {
    const auto uuid = parse_uuid(text);
    if (!uuid)
        throw po::error(fmt::format("'{}' is no UUID", text));
    const std::string file = cid_file_in(state_folder);
    try {
        const instance_lock only_one(lock_in(state_folder), instance_lock::on::file);
        const auto recorded = read_file(file);
        auto cids = recorded ? cid_table::parse(*recorded) : cid_table{};
        const auto forgotten = cids.forget(*uuid);
        if (forgotten.empty()) {
            fmt::print(stderr, "xvsockd: {} records no CID for the UUID {}\n", file, *uuid);
            return exit_failed;
        }
        replace_file(file, cids.to_text(), durability::machine);
        fmt::print("{} has no CID any more, and had {}\n", *uuid, fmt::join(forgotten, ", "));
        return exit_ok;
    } catch (const instance_error& error) {
        fmt::print(stderr, "xvsockd: {}. Stop it first, and start it again afterwards\n", error.what());
    } catch (const cid_table_error& error) {
        fmt::print(stderr, "xvsockd: {}: {}\n", file, error.what());
    } catch (const std::system_error& error) {
        fmt::print(stderr, "xvsockd: cannot {}\n", error.what());
    }
    return exit_failed;
}

/// Who asks for something before it can be done is answered when it can.
void set_early_signals(int what) {
    sigset_t early;
    sigemptyset(&early);
    sigaddset(&early, SIGHUP);
    sigaddset(&early, SIGUSR1);
    sigprocmask(what, &early, nullptr);
}

int run(int argc, char** argv) {
    service_options options;
    std::string file_to_check, uuid_to_forget;
    unsigned resync = unsigned(options.resync.count());
    po::options_description visible("Options");
    visible.add_options()("check", po::value(&file_to_check)->value_name("FILE"),
                          "say what is wrong with a policy file, and end")(
        "foreground", "stay in the foreground, which it does in any case")(
        "policy", po::value(&options.policy_file)->default_value(options.policy_file)->value_name("FILE"),
        "the policy, xvsockd.policy(5)")(
        "state-dir", po::value(&options.state_folder)->default_value(options.state_folder)->value_name("DIR"),
        "where the CIDs are recorded")(
        "forget", po::value(&uuid_to_forget)->value_name("UUID"),
        "take a domain's CIDs out of the record, and end; not while another xvsockd runs")(
        "runtime-dir",
        po::value(&options.runtime_folder)->default_value(options.runtime_folder)->value_name("DIR"),
        "for status.json")("resync", po::value(&resync)->default_value(resync)->value_name("S"),
                           "look at all links again after S seconds")("help", "show this help")(
        "version", "show the version");
    po::variables_map values;
    po::store(po::command_line_parser(argc, argv).options(visible).positional({}).run(), values);
    po::notify(values);
    if (values.count("help")) {
        std::cout
            << "Usage: xvsockd [OPTIONS]\n"
               "       xvsockd --check FILE\n"
               "       xvsockd [--state-dir DIR] --forget UUID\n"
               "Makes the peer links between Xen domains that a policy allows, and no others. Runs in dom0.\n"
               "SIGHUP: read the policy again. SIGUSR1: look at all links. SIGTERM: end; the links stay.\n\n"
            << visible
            << "\nExit status: 0 ended as told, or the file is right; 1 failed, or the file is wrong; 2 "
               "wrong command line; 3 the policy or the record of CIDs is wrong.\n";
        return exit_ok;
    }
    if (values.count("version")) {
        fmt::print("xvsockd {}\n", XVSOCK_VERSION);
        return exit_ok;
    }
    if (values.count("check"))
        return check(file_to_check);
    if (values.count("forget"))
        return forget(options.state_folder, uuid_to_forget);
    if (resync < 1 || resync > 86400)
        throw po::error("--resync must be from 1 to 86400 seconds");
    options.resync = std::chrono::seconds(resync);

    // What cannot be written is to be an error, and not the end.
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
    set_early_signals(SIG_BLOCK);
    make_folder(options.state_folder);
    make_folder(options.runtime_folder);
    const instance_lock only_one(lock_in(options.state_folder), instance_lock::on::file);
    std::optional<instance_lock> only_one_here;
    if (const std::string shared = xenstored_folder(); std::filesystem::is_directory(shared))
        only_one_here.emplace(shared, instance_lock::on::folder);
    service daemon(options);
    set_early_signals(SIG_UNBLOCK);
    daemon.run();
    return exit_ok;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const po::error& error) {
        fmt::print(stderr, "xvsockd: {}\nTry 'xvsockd --help'.\n", error.what());
        return exit_usage;
    } catch (const policy_error& error) {
        for (const std::string& problem : error.problems())
            log(level::error, "policy-wrong", "why", problem);
        return exit_wrong;
    } catch (const cid_table_error& error) {
        log(level::error, "cids-wrong", "why", error.what());
        return exit_wrong;
    } catch (const std::system_error& error) {
        log(level::error, "ended", "why", fmt::format("cannot {}", error.what()));
    } catch (const std::exception& error) {
        log(level::error, "ended", "why", error.what());
    }
    return exit_failed;
}
