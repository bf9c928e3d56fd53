// SPDX-License-Identifier: MIT
// `xvsock report`: record files as a table, with checks for scripts.
#include "perf/comparison.hpp"
#include "subcommand.hpp"

#include <boost/program_options.hpp>
#include <fmt/format.h>
#include <iostream>

namespace xvsock {

namespace po = boost::program_options;

int run_report(const std::vector<std::string>& arguments) {
    std::string baseline, subject;
    std::vector<std::string> files, conditions;

    po::options_description visible("Options");
    visible.add_options()("help", "show this help")(
        "baseline", po::value(&baseline)->default_value("netfront")->value_name("PATH"),
        "the data path that the others are compared with")(
        "subject", po::value(&subject)->default_value("vsock")->value_name("PATH"),
        "the data path that --check judges")("check",
                                             po::value(&conditions)->composing()->value_name("CONDITION"),
                                             "a condition on subject/baseline, like 'bandwidth@65536>=4' or "
                                             "'latency@1<=0.35'; may be given several times");
    po::options_description all;
    all.add(visible).add_options()("file", po::value(&files));
    po::positional_options_description positional;
    positional.add("file", -1);

    po::variables_map values;
    po::store(po::command_line_parser(arguments).options(all).positional(positional).run(), values);
    po::notify(values);
    if (values.count("help")) {
        std::cout << "Usage: xvsock report [OPTION...] FILE.json...\n"
                     "Shows measured records, a row for each metric and message size and a column for each "
                     "data path.\n\n"
                  << visible
                  << "\nExit status: 0 all conditions hold, 1 one does not or a file is bad, 2 wrong command "
                     "line.\n";
        return exit_ok;
    }
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

    fmt::print("{}", perf::format_comparison(records, baseline));
    bool passed = true;
    for (const perf::ratio_check& check : checks) {
        const auto result = perf::apply_check(check, records, subject, baseline);
        std::fflush(stdout);
        fmt::print(result.passed ? stdout : stderr, "{}\n", result.message);
        passed = passed && result.passed;
    }
    return passed ? exit_ok : exit_failed;
}

} // namespace xvsock
