// SPDX-License-Identifier: MIT
#include "results.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

namespace json = boost::json;

namespace xvsock::conformance {

namespace {

std::string text_of(const json::value& value) {
    return std::string(value.as_string());
}

std::vector<std::string> texts(const json::object& object, std::string_view key) {
    std::vector<std::string> list;
    if (const auto* value = object.if_contains(key))
        for (const auto& element : value->as_array())
            list.push_back(text_of(element));
    return list;
}

bool allows(const std::vector<std::string>& list, std::string_view value) {
    return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
}

} // namespace

json::value to_json(const std::vector<test_record>& records) {
    json::array list;
    for (const auto& record : records)
        list.push_back(json::object{{"suite", record.suite},
                                    {"program", record.program},
                                    {"id", record.id},
                                    {"test", record.test},
                                    {"client", record.client},
                                    {"server", record.server},
                                    {"kernel", record.kernel},
                                    {"result", to_string(record.result)},
                                    {"detail", record.detail},
                                    {"seconds", record.seconds}});
    return list;
}

std::vector<test_record> records_from(const json::value& document) {
    std::vector<test_record> records;
    for (const auto& element : document.as_array()) {
        const auto& object = element.as_object();
        test_record record;
        record.suite = text_of(object.at("suite"));
        record.program = text_of(object.at("program"));
        record.id = object.at("id").to_number<int>();
        record.test = text_of(object.at("test"));
        record.client = text_of(object.at("client"));
        record.server = text_of(object.at("server"));
        record.kernel = text_of(object.at("kernel"));
        record.result = outcome_from(text_of(object.at("result")));
        record.detail = text_of(object.at("detail"));
        record.seconds = object.at("seconds").to_number<double>();
        records.push_back(std::move(record));
    }
    return records;
}

std::string kernel_series(std::string_view release) {
    const auto first = release.find('.');
    const auto end =
        first == std::string_view::npos ? first : release.find_first_not_of("0123456789", first + 1);
    return std::string(release.substr(0, end));
}

expectations expectations::from(const json::value& document, std::string_view data_path) {
    std::vector<exception> exceptions;
    for (const auto& element : document.as_object().at("exceptions").as_array()) {
        const auto& object = element.as_object();
        exception entry;
        entry.tests = texts(object, "tests");
        entry.kernels = texts(object, "kernels");
        entry.suites = texts(object, "suites");
        entry.result = outcome_from(text_of(object.at("result")));
        entry.says = text_of(object.at("says"));
        entry.reason = text_of(object.at("reason"));
        if (entry.tests.empty() || entry.says.empty() || entry.reason.empty() ||
            entry.result == outcome::pass)
            throw std::invalid_argument(
                "an exception needs tests, a reason, what they say, and fail or skip as its result");
        if (!allows(texts(object, "data_paths"), data_path))
            continue;
        exceptions.push_back(std::move(entry));
    }
    return expectations(std::move(exceptions));
}

const expectations::exception* expectations::find(std::string_view suite, std::string_view kernel,
                                                  std::string_view test) const {
    for (const auto& entry : exceptions_)
        if (std::find(entry.tests.begin(), entry.tests.end(), test) != entry.tests.end() &&
            allows(entry.kernels, kernel) && allows(entry.suites, suite))
            return &entry;
    return nullptr;
}

std::optional<std::string> expectations::complaint(const test_record& record) const {
    const auto* entry = find(record.suite, record.kernel, record.test);
    const auto expected = entry != nullptr ? entry->result : outcome::pass;
    const bool another_reason = entry != nullptr && record.detail.find(entry->says) == std::string::npos;
    if (record.result == expected && !another_reason)
        return std::nullopt;
    const auto name = fmt::format("{} of {}, test {} \"{}\", client {}, server {}", record.program,
                                  record.suite, record.id, record.test, record.client, record.server);
    const auto detail = record.detail.empty() ? std::string() : fmt::format(" ({})", record.detail);
    if (entry == nullptr)
        return fmt::format("{}: {} and is not listed as an exception{}", name,
                           record.result == outcome::fail ? "fails" : "skips itself", detail);
    if (record.result == expected)
        return fmt::format(R"({}: has result "{}" as listed, but does not say "{}"{})", name,
                           to_string(record.result), entry->says, detail);
    return fmt::format("{}: unexpected {}: it is listed with result \"{}\" because of: {}{}{}", name,
                       to_string(record.result), to_string(expected), entry->reason,
                       record.result == outcome::pass ? "; take it off the list" : "", detail);
}

} // namespace xvsock::conformance
