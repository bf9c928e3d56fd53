// SPDX-License-Identifier: MIT
/// The command line of a subcommand: options that are called the same everywhere, words, help.
#pragma once

#include <boost/program_options.hpp>
#include <chrono>
#include <string>
#include <vector>

namespace xvsock {

class command_line {
public:
    /// `head` is what --help shows before the options, its first line "Usage: ...", and `tail` after them.
    command_line(std::string head, std::string tail);

    boost::program_options::options_description_easy_init add_options() { return visible_.add_options(); }

    /// Reads options and words. Returns false when it was --help, which has then been shown. Throws
    /// boost::program_options::error.
    bool read(const std::vector<std::string>& arguments);

    /// What is no option.
    const std::vector<std::string>& words() const noexcept { return words_; }
    bool has(const char* option) const { return values_.count(option) != 0; }

private:
    std::string head_;
    std::string tail_;
    boost::program_options::options_description visible_{"Options"};
    boost::program_options::variables_map values_;
    std::vector<std::string> words_;
};

/// A time in seconds as an option's value; perf::parse_seconds() says what may be written.
struct seconds_option {
    std::string text;

    /// Throws usage_error that names the option.
    std::chrono::nanoseconds value(const char* option) const;
};

/// For an option --json that may have a file's name after it or not: "--json FILE" becomes "--json=FILE",
/// which is all that Boost.Program_options takes for such an option.
std::vector<std::string> join_json_file(std::vector<std::string> arguments);

} // namespace xvsock
