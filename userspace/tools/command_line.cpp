// SPDX-License-Identifier: MIT
#include "command_line.hpp"

#include "perf/quantity.hpp"
#include "subcommand.hpp"

#include <algorithm>
#include <iostream>

namespace xvsock {

namespace po = boost::program_options;

command_line::command_line(std::string head, std::string tail)
    : head_(std::move(head)), tail_(std::move(tail)) {}

bool command_line::read(const std::vector<std::string>& arguments) {
    add_options()("help,h", "show this help");
    po::options_description all;
    all.add(visible_).add_options()("word", po::value(&words_));
    po::positional_options_description positional;
    positional.add("word", -1);
    po::store(po::command_line_parser(arguments).options(all).positional(positional).run(), values_);
    po::notify(values_);
    if (!has("help"))
        return true;
    std::cout << head_ << "\n" << visible_ << "\n" << tail_;
    return false;
}

std::chrono::nanoseconds seconds_option::value(const char* option) const {
    try {
        return perf::parse_seconds(text, option);
    } catch (const std::invalid_argument& error) {
        throw usage_error(error.what());
    }
}

std::vector<std::string> join_json_file(std::vector<std::string> arguments) {
    const auto json = std::find(arguments.begin(), arguments.end(), "--json");
    if (json == arguments.end() || json + 1 == arguments.end())
        return arguments;
    const std::string& file = *(json + 1);
    if (file.starts_with("-") && file != "-")
        return arguments;
    *json += "=" + file;
    arguments.erase(json + 1);
    return arguments;
}

} // namespace xvsock
