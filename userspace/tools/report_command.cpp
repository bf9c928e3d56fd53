// SPDX-License-Identifier: MIT
// `xvsock report`: record files as a table, with checks for scripts.
#include "command_line.hpp"
#include "perf/comparison.hpp"
#include "subcommand.hpp"

#include <cstdio>
#include <fmt/format.h>

namespace xvsock {

namespace po = boost::program_options;

int run_report(const std::vector<std::string>& arguments) {
    std::string baseline, subject;
    std::vector<std::string> conditions;
    bool as_json = false;
    command_line line(
        "Usage: xvsock report [OPTION...] FILE...\n"
        "Shows measured records, a row for each metric and message size and a column for each data "
        "path.\n",
        "Exit status: 0 all conditions hold, 1 one does not or a file is bad, 2 wrong command "
        "line.\n");
    line.add_options()("baseline", po::value(&baseline)->default_value("netfront")->value_name("PATH"),
                       "the data path that the others are compared with")(
        "subject", po::value(&subject)->default_value("vsock")->value_name("PATH"),
        "the data path that --check judges")("check",
                                             po::value(&conditions)->composing()->value_name("CONDITION"),
                                             "a condition on subject/baseline, like 'bandwidth@65536>=4' or "
                                             "'latency@1<=0.35'; may be given several times")(
        "json", po::bool_switch(&as_json), "a line of JSON in the place of tables");
    if (!line.read(arguments))
        return exit_ok;
    const auto& files = line.words();
    if (files.empty())
        throw usage_error("no file given");

    std::vector<perf::ratio_check> checks;
    for (const std::string& condition : conditions) {
        try {
            checks.push_back(perf::parse_ratio_check(condition));
        } catch (const std::invalid_argument& error) {
            throw usage_error(error.what());
        }
    }
    std::vector<perf::record> records;
    for (const std::string& file : files)
        perf::merge_records(records, perf::read_records(file));
    if (records.empty())
        throw std::runtime_error("the files hold no records");

    std::vector<perf::check_result> results;
    bool passed = true;
    for (const perf::ratio_check& check : checks) {
        results.push_back(perf::apply_check(check, records, subject, baseline));
        passed = passed && results.back().passed;
    }
    fmt::print("{}", as_json ? perf::format_comparison_json(records, baseline, results)
                             : perf::format_comparison(records, baseline));
    std::fflush(stdout);
    for (const auto& result : results)
        if (!as_json || !result.passed)
            fmt::print(result.passed ? stdout : stderr, "{}\n", result.message);
    return passed ? exit_ok : exit_failed;
}

} // namespace xvsock
