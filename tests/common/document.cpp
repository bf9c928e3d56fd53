// SPDX-License-Identifier: MIT
#include "common/document.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <boost/json/parse.hpp>
#include <fmt/format.h>

namespace xvsock::tests {

namespace {

std::string read_file(const std::string& name) {
    std::ifstream in(name, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    if (!in)
        throw std::runtime_error("cannot read " + name);
    return text;
}

} // namespace

boost::json::value read_json(const std::string& file) {
    boost::system::error_code error;
    auto document = boost::json::parse(read_file(file), error);
    if (error)
        throw std::runtime_error(file + " is no JSON: " + error.message());
    return document;
}

void write_file(const std::string& name, const std::string& text) {
    const auto temporary = name + ".new";
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file << text;
    file.close();
    if (!file)
        throw std::runtime_error("cannot write " + temporary);
    std::filesystem::rename(temporary, name);
}

std::string replace_region(std::string_view document, const std::string& name, const std::string& text) {
    const auto begin = fmt::format("<!-- {} -->\n", name);
    const auto end = fmt::format("<!-- end of {} -->\n", name);
    const auto first = document.find(begin);
    const auto last = document.find(end);
    if (first == std::string_view::npos || last == std::string_view::npos || last < first)
        throw std::invalid_argument(fmt::format(R"(the document has no place for {}: lines "{}" and "{}")",
                                                name, begin.substr(0, begin.size() - 1),
                                                end.substr(0, end.size() - 1)));
    return fmt::format("{}{}\n{}{}", document.substr(0, first), begin, text, document.substr(last));
}

void update_document(const std::string& file, const std::string& name, const std::string& text) {
    const auto before = read_file(file);
    const auto after = replace_region(before, name, text);
    if (after != before)
        write_file(file, after);
    fmt::print("{} {}\n", file, after == before ? "says so already" : "is brought up to date");
}

} // namespace xvsock::tests
