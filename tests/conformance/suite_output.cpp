// SPDX-License-Identifier: MIT
#include "suite_output.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <regex>
#include <stdexcept>

namespace xvsock::conformance {

namespace {

// "12 - NAME..." at the start of a line.
struct heading {
    int id;
    std::size_t text; // where what follows the dots begins
};

std::optional<heading> read_heading(std::string_view output, std::size_t line) {
    static const std::regex form(R"(^([0-9]{1,6}) - [^\n]*?\.\.\.)");
    std::cmatch found;
    const auto* begin = output.data() + line;
    if (!std::regex_search(begin, output.data() + output.size(), found, form,
                           std::regex_constants::match_continuous))
        return std::nullopt;
    return heading{std::stoi(found[1]), line + static_cast<std::size_t>(found.length(0))};
}

// Printed after the last test.
constexpr std::string_view epilogue = "All tests have been executed.";

bool take_suffix(std::string& text, std::string_view suffix) {
    if (!text.ends_with(suffix))
        return false;
    text.resize(text.size() - suffix.size());
    return true;
}

std::string one_line(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
        text.pop_back();
    std::string line;
    for (const char character : text) {
        if (character == '\n')
            line += "; ";
        else
            line += character;
    }
    return line;
}

test_progress read_test(int id, std::size_t offset, std::string text) {
    test_progress test;
    test.id = id;
    test.offset = offset;
    if (take_suffix(text, "ok\n"))
        test.end = test_progress::state::passed;
    else if (take_suffix(text, "skipped\n"))
        test.end = test_progress::state::skipped;
    test.said = one_line(std::move(text));
    return test;
}

std::map<int, test_progress> by_id(std::string_view output) {
    std::map<int, test_progress> tests;
    for (auto& test : parse_run(output))
        tests.emplace(test.id, std::move(test));
    return tests;
}

int first_unfinished(const std::map<int, test_progress>& tests) {
    for (const auto& [id, test] : tests)
        if (test.end == test_progress::state::unfinished)
            return id;
    return std::numeric_limits<int>::max();
}

// What the sides said about one test.
std::string quote(const std::map<int, test_progress>& client, const std::map<int, test_progress>& server,
                  int id) {
    std::string text;
    const auto add = [&](const char* side, const std::map<int, test_progress>& tests) {
        const auto test = tests.find(id);
        if (test == tests.end() || test->second.said.empty())
            return;
        text += (text.empty() ? "" : "; ") + std::string(side) + ": " + test->second.said;
    };
    add("client", client);
    add("server", server);
    return text;
}

} // namespace

std::vector<suite_test> parse_list(std::string_view output) {
    static const std::regex form("^([0-9]{1,6})\t([^\n]+)");
    std::vector<suite_test> tests;
    for (std::size_t line = 0; line < output.size();) {
        const auto end = std::min(output.find('\n', line), output.size());
        std::cmatch found;
        if (std::regex_search(output.data() + line, output.data() + end, found, form,
                              std::regex_constants::match_continuous))
            tests.push_back({std::stoi(found[1]), found[2]});
        line = end + 1;
    }
    return tests;
}

std::vector<test_progress> parse_run(std::string_view output) {
    std::vector<test_progress> tests;
    std::optional<heading> current;
    std::size_t offset = 0;
    const auto finish = [&](std::size_t end) {
        if (current)
            tests.push_back(read_test(current->id, offset,
                                      std::string(output.substr(current->text, end - current->text))));
        current.reset();
    };
    for (std::size_t line = 0; line < output.size();) {
        if (const auto next = read_heading(output, line)) {
            finish(line);
            current = next;
            offset = line;
        } else if (output.substr(line).starts_with(epilogue)) {
            finish(line);
        }
        line = std::min(output.find('\n', line), output.size()) + 1;
    }
    finish(output.size());
    return tests;
}

std::string to_string(outcome value) {
    switch (value) {
    case outcome::pass:
        return "pass";
    case outcome::skip:
        return "skip";
    case outcome::fail:
        break;
    }
    return "fail";
}

outcome outcome_from(std::string_view text) {
    for (const auto value : {outcome::pass, outcome::fail, outcome::skip})
        if (to_string(value) == text)
            return value;
    throw std::invalid_argument("\"" + std::string(text) + "\" is neither pass nor fail nor skip");
}

std::vector<finding> combine(std::string_view client_output, std::string_view server_output) {
    const auto client = by_id(client_output);
    const auto server = by_id(server_output);
    const int failed = std::min(first_unfinished(client), first_unfinished(server));
    std::vector<finding> findings;
    for (const auto& [id, test] : client) {
        const auto other = server.find(id);
        if (id >= failed || other == server.end() || test.end != test_progress::state::passed ||
            other->second.end != test_progress::state::passed)
            continue;
        finding found{id, outcome::pass, {}};
        for (const auto* said : {&test.said, &other->second.said})
            if (said->find("Test skipped") != std::string::npos)
                found = {id, outcome::skip, *said};
        findings.push_back(std::move(found));
    }
    if (failed != std::numeric_limits<int>::max())
        findings.push_back({failed, outcome::fail, quote(client, server, failed)});
    return findings;
}

} // namespace xvsock::conformance
