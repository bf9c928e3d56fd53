// SPDX-License-Identifier: MIT
#include "table.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>
#include <tuple>

#include <boost/algorithm/string/replace.hpp>
#include <fmt/format.h>

namespace xvsock::conformance {

namespace {

std::string direction_of(const test_record& record) {
    return fmt::format("{}-{}", record.client, record.server);
}

// Between guests first, then towards dom0, then from it.
std::vector<std::string> columns(const std::vector<test_record>& records) {
    std::set<std::tuple<bool, bool, std::string>> sorted;
    for (const auto& record : records)
        sorted.insert({record.client == "dom0", record.server == "dom0", direction_of(record)});
    std::vector<std::string> names;
    names.reserve(sorted.size());
    for (const auto& entry : sorted)
        names.push_back(std::get<2>(entry));
    return names;
}

// "6.1" before "6.12" before "7.2".
std::vector<std::string> suites_of(const std::vector<test_record>& records) {
    std::set<std::tuple<int, int, std::string>> sorted;
    for (const auto& record : records) {
        const auto dot = record.suite.find('.');
        sorted.insert({std::stoi(record.suite),
                       dot == std::string::npos ? 0 : std::stoi(record.suite.substr(dot + 1)), record.suite});
    }
    std::vector<std::string> names;
    names.reserve(sorted.size());
    for (const auto& entry : sorted)
        names.push_back(std::get<2>(entry));
    return names;
}

// In the order in which they are run.
int rank(const std::string& program) {
    return program == "vsock_test" ? 0 : program == "vsock_diag_test" ? 1 : 2;
}

struct row_key {
    int program_rank;
    std::string program;
    int id;
    std::string test;

    bool operator<(const row_key& other) const {
        return std::tie(program_rank, program, id, test) <
               std::tie(other.program_rank, other.program, other.id, other.test);
    }
};

using rows = std::map<row_key, std::map<std::string, const test_record*>>;

rows rows_of(const std::vector<test_record>& records, const std::string& suite) {
    rows table;
    for (const auto& record : records)
        if (record.suite == suite)
            table[{rank(record.program), record.program, record.id, record.test}][direction_of(record)] =
                &record;
    return table;
}

std::string arrow(const std::string& direction) {
    const auto dash = direction.find('-');
    return fmt::format("{} → {}", direction.substr(0, dash), direction.substr(dash + 1));
}

std::string cell(const test_record* record, const expectations& expected) {
    if (record == nullptr)
        return "not run";
    const auto word = to_string(record->result);
    return expected.complaint(*record) ? fmt::format("**{}**", word) : word;
}

std::string reason(const std::map<std::string, const test_record*>& row, const expectations& expected) {
    std::string text;
    for (const auto& [direction, record] : row) {
        const auto* entry = expected.find(record->suite, record->kernel, record->test);
        const auto why = entry != nullptr && record->result != outcome::pass ? entry->reason : record->detail;
        if (!why.empty() && text.find(why) == std::string::npos)
            text.append(text.empty() ? "" : "; ").append(why);
    }
    boost::replace_all(text, "|", "\\|");
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

} // namespace

std::vector<std::string> gaps(const std::vector<test_record>& records, const coverage& wanted) {
    std::vector<std::string> found;
    for (const auto& suite : wanted.suites)
        for (const auto& program : wanted.programs)
            if (std::none_of(records.begin(), records.end(), [&](const auto& record) {
                    return record.suite == suite && record.program == program;
                }))
                found.push_back(fmt::format("no result of {} of {}", program, suite));
    for (const auto& suite : suites_of(records))
        for (const auto& [key, row] : rows_of(records, suite))
            for (const auto& direction : wanted.directions)
                if (!row.contains(direction))
                    found.push_back(fmt::format("{} of {}, test {}: not run {}", key.program, suite, key.id,
                                                arrow(direction)));
    return found;
}

std::string markdown(const std::vector<test_record>& records, const expectations& expected) {
    const auto directions = columns(records);
    std::string text;
    for (const auto& suite : suites_of(records)) {
        const auto table = rows_of(records, suite);
        std::map<outcome, int> counts;
        for (const auto& [key, row] : table)
            for (const auto& [direction, record] : row)
                ++counts[record->result];
        text += fmt::format(
            "### The suite of Linux {}\n\n{} pass, {} fail, {} skip, over {} directions (client → "
            "server).\n\n| program | test | name |",
            suite, counts[outcome::pass], counts[outcome::fail], counts[outcome::skip], directions.size());
        for (const auto& direction : directions)
            text += fmt::format(" {} |", arrow(direction));
        text += " why |\n| --- | --- | --- |";
        for (std::size_t i = 0; i <= directions.size(); ++i)
            text += " --- |";
        text += "\n";
        for (const auto& [key, row] : table) {
            text += fmt::format("| `{}` | {} | {} |", key.program, key.id, key.test);
            for (const auto& direction : directions) {
                const auto found = row.find(direction);
                text += fmt::format(" {} |", cell(found != row.end() ? found->second : nullptr, expected));
            }
            text += fmt::format(" {} |\n", reason(row, expected));
        }
        text += "\n";
    }
    return text;
}

} // namespace xvsock::conformance
