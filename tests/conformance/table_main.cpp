// SPDX-License-Identifier: MIT
// conformance-table: judges the results of the scenario "conformance" as a whole and writes the table of
// docs/conformance.md. Exit status 0: every test was run in every direction and came out as expected.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include <boost/json/serialize.hpp>
#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "common/document.hpp"
#include "table.hpp"

namespace fs = std::filesystem;
namespace json = boost::json;
namespace po = boost::program_options;
using namespace xvsock::conformance;
using namespace xvsock::tests;

namespace {

struct options {
    std::string results;
    std::string expected;
    std::string versions;
    std::string out;
    std::string document;
    coverage wanted;
};

std::vector<test_record> read_records(const std::string& folder) {
    std::vector<fs::path> files;
    if (fs::is_directory(folder))
        for (const auto& entry : fs::recursive_directory_iterator(folder))
            if (entry.path().filename().string().starts_with("conformance-") &&
                entry.path().extension() == ".json")
                files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    std::vector<test_record> records;
    for (const auto& file : files)
        for (auto& record : records_from(read_json(file.string())))
            records.push_back(std::move(record));
    return records;
}

// The same kernel in all of them, or it would take several tables.
std::string kernel_of(const std::vector<test_record>& records) {
    for (const auto& record : records)
        if (record.kernel != records.front().kernel)
            throw std::runtime_error("the results are of different kernels");
    return records.front().kernel;
}

int run(const options& given) {
    const auto records = read_records(given.results);
    if (records.empty())
        throw std::runtime_error("there are no results in " + given.results);
    const auto expected = expectations::from(read_json(given.expected), "vchan");
    auto problems = gaps(records, given.wanted);
    for (const auto& record : records)
        if (const auto complaint = expected.complaint(record))
            problems.push_back(*complaint);
    const auto kernel = kernel_of(records);
    const auto table = markdown(records, expected);
    json::object document{
        {"kernel", kernel}, {"sources", read_json(given.versions)}, {"tests", to_json(records)}};
    write_file(given.out + ".json", json::serialize(document) + "\n");
    write_file(given.out + ".md", table);
    for (const auto& problem : problems)
        fmt::print("FAILED: {}\n", problem);
    const auto passed = std::count_if(records.begin(), records.end(),
                                      [](const auto& record) { return record.result == outcome::pass; });
    fmt::print("{} runs of tests on Linux {}: {} passed, {} did not; {} problems\n", records.size(), kernel,
               passed, records.size() - static_cast<std::size_t>(passed), problems.size());
    if (!problems.empty())
        return 1;
    if (!given.document.empty())
        update_document(given.document, "conformance " + kernel, table);
    return 0;
}

options read_options(int argc, char** argv) {
    options given;
    po::options_description described("Options");
    auto add = described.add_options();
    add("results", po::value(&given.results)->required(), "folder with conformance-*.json");
    add("expected", po::value(&given.expected)->required(), "JSON file of the tests that cannot pass");
    add("versions", po::value(&given.versions)->required(), "JSON file that conformance-build wrote");
    add("out", po::value(&given.out)->required(), "gets the results: OUT.json, and OUT.md with the table");
    add("document", po::value(&given.document), "document that gets the table, when there is no problem");
    add("directions", po::value(&given.wanted.directions)->multitoken()->required(), "CLIENT-SERVER ...");
    add("suites", po::value(&given.wanted.suites)->multitoken()->required(), "kernel releases");
    add("programs", po::value(&given.wanted.programs)->multitoken()->required(), "that every suite has");
    po::variables_map values;
    po::store(po::command_line_parser(argc, argv).options(described).positional({}).run(), values);
    po::notify(values);
    return given;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(read_options(argc, argv));
    } catch (const po::error& error) {
        std::cerr << "conformance-table: " << error.what() << '\n';
        return 2;
    } catch (const std::exception& error) {
        std::cerr << "conformance-table: " << error.what() << '\n';
        return 1;
    }
}
