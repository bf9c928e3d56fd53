// SPDX-License-Identifier: MIT
/// What a subcommand of `xvsock` is. A new one is a function of this shape and a line in main.cpp's table.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace xvsock {

/// Exit statuses of all subcommands.
enum exit_status : int { exit_ok = 0, exit_failed = 1, exit_usage = 2 };

/// Thrown for a wrong command line: main prints it with a pointer to --help and exits with exit_usage.
class usage_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Runs with the arguments after the subcommand's name and returns the exit status. Other exceptions than
/// usage_error are failures: main prints them and exits with exit_failed.
using subcommand_function = int(const std::vector<std::string>& arguments);

subcommand_function run_cat;
subcommand_function run_forward;
subcommand_function run_peers;
subcommand_function run_perf;
subcommand_function run_ping;
subcommand_function run_recv;
subcommand_function run_report;
subcommand_function run_resolve;
subcommand_function run_run;
subcommand_function run_send;
subcommand_function run_stat;

} // namespace xvsock
