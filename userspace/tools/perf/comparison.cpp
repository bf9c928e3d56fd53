// SPDX-License-Identifier: MIT
#include "perf/comparison.hpp"

#include "common/text_table.hpp"
#include "perf/quantity.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <optional>
#include <stdexcept>

namespace xvsock::perf {

namespace {

/// The distinct values of a member, in the order of their first appearance.
std::vector<std::string> distinct(const std::vector<record>& records, std::string record::*member) {
    std::vector<std::string> values;
    for (const record& one : records)
        if (std::find(values.begin(), values.end(), one.*member) == values.end())
            values.push_back(one.*member);
    return values;
}

/// A row of the table: what was measured, whatever carried it.
struct row_key {
    std::string metric;
    std::uint64_t bytes;
    std::string unit;

    bool operator==(const row_key&) const = default;
};

/// The last record wins, as when files are merged.
std::optional<double> find_value(const std::vector<record>& records, const std::string& mode,
                                 const std::string& path, const row_key& key) {
    std::optional<double> value;
    for (const record& one : records)
        if (one.mode == mode && one.path == path && row_key{one.metric, one.bytes, one.unit} == key)
            value = one.value;
    return value;
}

std::vector<row_key> rows_of(const std::vector<record>& records, const std::string& mode) {
    std::vector<row_key> rows;
    for (const std::string& metric : distinct(records, &record::metric)) {
        std::vector<row_key> of_metric;
        for (const record& one : records) {
            const row_key key{one.metric, one.bytes, one.unit};
            if (one.mode == mode && one.metric == metric &&
                std::find(of_metric.begin(), of_metric.end(), key) == of_metric.end())
                of_metric.push_back(key);
        }
        std::stable_sort(of_metric.begin(), of_metric.end(),
                         [](const row_key& a, const row_key& b) { return a.bytes < b.bytes; });
        rows.insert(rows.end(), of_metric.begin(), of_metric.end());
    }
    return rows;
}

std::string format_value(double value) {
    return fmt::format("{:.{}f}", value, std::abs(value) < 100 ? 2 : std::abs(value) < 1000 ? 1 : 0);
}

/// Times are compared as a fraction, rates as a multiple.
std::string format_ratio(double ratio, const std::string& unit) {
    return unit.ends_with("/s") ? fmt::format("{:.2f} x", ratio) : fmt::format("{:.3f}", ratio);
}

struct comparison_sign {
    std::string_view text;
    ratio_check::comparison how;
};

// The longer ones first, so that >= is not read as >.
constexpr std::array signs{comparison_sign{">=", ratio_check::comparison::at_least},
                           comparison_sign{"<=", ratio_check::comparison::at_most},
                           comparison_sign{">", ratio_check::comparison::above},
                           comparison_sign{"<", ratio_check::comparison::below}};

bool holds(double ratio, ratio_check::comparison how, double limit) {
    switch (how) {
    case ratio_check::comparison::at_least:
        return ratio >= limit;
    case ratio_check::comparison::at_most:
        return ratio <= limit;
    case ratio_check::comparison::above:
        return ratio > limit;
    case ratio_check::comparison::below:
        return ratio < limit;
    }
    return false;
}

} // namespace

std::string format_comparison(const std::vector<record>& records, const std::string& baseline) {
    std::vector<std::string> paths = distinct(records, &record::path);
    const auto base = std::find(paths.begin(), paths.end(), baseline);
    const bool has_baseline = base != paths.end();
    if (has_baseline)
        std::rotate(paths.begin(), base, base + 1);

    std::string text;
    for (const std::string& mode : distinct(records, &record::mode)) {
        std::vector<text_table::column> columns{
            {"metric", text_table::align::left}, {"bytes"}, {"unit", text_table::align::left}};
        for (const std::string& path : paths)
            columns.push_back({path});
        if (has_baseline)
            for (std::size_t i = 1; i < paths.size(); ++i)
                columns.push_back({paths[i] + "/" + baseline});
        text_table table(columns);

        for (const row_key& key : rows_of(records, mode)) {
            std::vector<std::string> cells{key.metric, fmt::format("{}", key.bytes), key.unit};
            std::vector<std::optional<double>> values;
            for (const std::string& path : paths) {
                values.push_back(find_value(records, mode, path, key));
                cells.push_back(values.back() ? format_value(*values.back()) : "-");
            }
            for (std::size_t i = 1; has_baseline && i < paths.size(); ++i)
                cells.push_back(values[0] && values[i] && *values[0] != 0
                                    ? format_ratio(*values[i] / *values[0], key.unit)
                                    : "-");
            table.add_row(std::move(cells));
        }
        text += fmt::format("{}mode: {}\n{}", text.empty() ? "" : "\n", mode, table.to_string());
    }
    return text;
}

ratio_check parse_ratio_check(std::string_view text) {
    const auto refuse = [&](const std::string& reason) {
        throw std::invalid_argument(fmt::format(
            "check '{}': {}; write it like 'bandwidth@65536>=4' or 'latency@1<=0.35'", text, reason));
    };
    ratio_check check;
    check.text = text;
    const auto at = text.find('@');
    const auto sign_at = text.find_first_of("<>", at == std::string_view::npos ? 0 : at);
    if (at == std::string_view::npos || at == 0)
        refuse("must begin with METRIC@BYTES");
    if (sign_at == std::string_view::npos)
        refuse("has no comparison, one of >= <= > <");
    check.metric = text.substr(0, at);
    try {
        check.bytes = parse_size(text.substr(at + 1, sign_at - at - 1));
    } catch (const std::invalid_argument& error) {
        refuse(error.what());
    }
    const auto rest = text.substr(sign_at);
    const auto sign = std::find_if(signs.begin(), signs.end(),
                                   [&](const comparison_sign& one) { return rest.starts_with(one.text); });
    check.how = sign->how;
    const auto limit = rest.substr(sign->text.size());
    const auto [end, error] = std::from_chars(limit.data(), limit.data() + limit.size(), check.limit);
    if (error != std::errc{} || end != limit.data() + limit.size() || !std::isfinite(check.limit))
        refuse(fmt::format("'{}' is not a number", limit));
    return check;
}

check_result apply_check(const ratio_check& check, const std::vector<record>& records,
                         const std::string& subject, const std::string& baseline) {
    check_result result{.passed = true, .message = {}};
    bool measured = false;
    for (const std::string& mode : distinct(records, &record::mode)) {
        for (const row_key& key : rows_of(records, mode)) {
            if (key.metric != check.metric || key.bytes != check.bytes)
                continue;
            const auto value = find_value(records, mode, subject, key);
            const auto base = find_value(records, mode, baseline, key);
            if (!value || !base || *base == 0)
                continue;
            const double ratio = *value / *base;
            const bool passed = holds(ratio, check.how, check.limit);
            result.message += fmt::format("{}{} {}: {}/{} is {:.4g} ({:.6g} / {:.6g} {}, mode {})",
                                          measured ? "; " : "", passed ? "holds" : "FAILS", check.text,
                                          subject, baseline, ratio, *value, *base, key.unit, mode);
            result.passed = result.passed && passed;
            measured = true;
        }
    }
    if (!measured)
        return {false, fmt::format("FAILS {}: no mode has {} at {} bytes for both {} and {}", check.text,
                                   check.metric, check.bytes, subject, baseline)};
    return result;
}

std::string format_comparison_json(const std::vector<record>& records, const std::string& baseline,
                                   const std::vector<check_result>& checks) {
    boost::json::array rows;
    for (const std::string& mode : distinct(records, &record::mode)) {
        for (const row_key& key : rows_of(records, mode)) {
            const auto base = find_value(records, mode, baseline, key);
            boost::json::object values, ratios;
            for (const std::string& path : distinct(records, &record::path)) {
                const auto value = find_value(records, mode, path, key);
                if (!value)
                    continue;
                values[path] = *value;
                if (base && *base != 0 && path != baseline)
                    ratios[path] = *value / *base;
            }
            rows.push_back(boost::json::object{{"mode", mode},
                                               {"metric", key.metric},
                                               {"bytes", key.bytes},
                                               {"unit", key.unit},
                                               {"values", std::move(values)},
                                               {"ratios", std::move(ratios)}});
        }
    }
    boost::json::array judged;
    for (const check_result& one : checks)
        judged.push_back(boost::json::object{{"passed", one.passed}, {"message", one.message}});
    return boost::json::serialize(boost::json::object{
               {"baseline", baseline}, {"rows", std::move(rows)}, {"checks", std::move(judged)}}) +
           "\n";
}

} // namespace xvsock::perf
