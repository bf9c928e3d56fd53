// SPDX-License-Identifier: MIT
#include "table.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <boost/algorithm/string/replace.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>
#include <fmt/format.h>

#include "common/document.hpp"

namespace fs = std::filesystem;
namespace json = boost::json;

namespace xvsock::programs {

namespace {

std::string text_in(const json::object& object, std::string_view key) {
    return json::value_to<std::string>(object.at(key));
}

void read_lines(const fs::path& file, const std::string& system, std::vector<proof>& proofs) {
    std::ifstream in(file);
    int number = 0;
    for (std::string line; std::getline(in, line);) {
        ++number;
        try {
            proofs.push_back(parse_proof(line, system));
        } catch (const std::exception& error) {
            throw std::runtime_error(fmt::format("{}, line {}: {}", file.string(), number, error.what()));
        }
    }
}

std::string cell(std::string text) {
    boost::replace_all(text, "|", "\\|");
    return text;
}

} // namespace

proof parse_proof(std::string_view line, std::string system) {
    const auto document = json::parse(line);
    const auto& object = document.as_object();
    const auto result = text_in(object, "result");
    if (result != "passed" && result != "failed")
        throw std::invalid_argument(fmt::format("\"{}\" is no result: passed or failed", result));
    return {std::move(system),       text_in(object, "programs"), text_in(object, "way"),
            text_in(object, "what"), text_in(object, "check"),    result == "passed"};
}

std::vector<proof> read_proofs(const std::string& folder) {
    const auto status = tests::read_json((fs::path(folder) / "status.json").string()).as_object();
    if (!status.at("passed").as_bool())
        throw std::runtime_error(fmt::format("{}: the scenario has failed", folder));
    const auto system = fmt::format("{}, Linux {}", text_in(status, "suite"), text_in(status, "kernel"));
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(fs::path(folder) / "results"))
        if (fs::exists(entry.path() / "programs.jsonl"))
            files.push_back(entry.path() / "programs.jsonl");
    std::sort(files.begin(), files.end());
    std::vector<proof> proofs;
    for (const auto& file : files)
        read_lines(file, system, proofs);
    if (proofs.empty())
        throw std::runtime_error(fmt::format("{}: no results/*/programs.jsonl says anything", folder));
    return proofs;
}

std::string markdown(const std::vector<proof>& proofs) {
    std::string text = "| programs | by | what they did | how it was checked | where | |\n| --- | --- | --- "
                       "| --- | --- | --- |\n";
    for (const auto& one : proofs)
        text += fmt::format("| {} | {} | {} | {} | {} | {} |\n", cell(one.programs), cell(one.way),
                            cell(one.what), cell(one.check), cell(one.system),
                            one.passed ? "passed" : "**failed**");
    return text;
}

} // namespace xvsock::programs
