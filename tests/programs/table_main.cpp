// SPDX-License-Identifier: MIT
// programs-table: gathers what scenarios have shown of programs, and writes the table of docs/programs.md.
// Exit status 0: all of it has passed.
#include <algorithm>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "common/document.hpp"
#include "table.hpp"

namespace po = boost::program_options;
using namespace xvsock;

namespace {

int run(const std::vector<std::string>& folders, const std::string& document) {
    std::vector<programs::proof> proofs;
    for (const auto& folder : folders) {
        const auto more = programs::read_proofs(folder);
        proofs.insert(proofs.end(), more.begin(), more.end());
    }
    const auto table = programs::markdown(proofs);
    fmt::print("{}", table);
    const bool passed = std::all_of(proofs.begin(), proofs.end(), [](const auto& one) { return one.passed; });
    if (!passed) {
        std::cerr << "programs-table: not all of it has passed\n";
        return 1;
    }
    if (!document.empty())
        tests::update_document(document, "programs", table);
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    try {
        std::vector<std::string> folders;
        std::string document;
        po::options_description described("Options");
        auto add = described.add_options();
        add("scenarios", po::value(&folders)->multitoken()->required(),
            "folders that scenarios have written");
        add("document", po::value(&document), "document that gets the table, when all has passed");
        po::variables_map values;
        po::store(po::command_line_parser(argc, argv).options(described).positional({}).run(), values);
        po::notify(values);
        return run(folders, document);
    } catch (const po::error& error) {
        std::cerr << "programs-table: " << error.what() << '\n';
        return 2;
    } catch (const std::exception& error) {
        std::cerr << "programs-table: " << error.what() << '\n';
        return 1;
    }
}
