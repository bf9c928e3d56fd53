// SPDX-License-Identifier: MIT
#include "stat/display.hpp"

#include "common/text_table.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace xvsock::counters {

namespace {

namespace json = boost::json;
using keys = std::vector<const char*>;

const keys peer_keys{"domid",        "initiated", "accepted", "idle",   "granted_pages",
                     "mapped_pages", "connected", "refused",  "denied", "violations"};
const keys traffic_keys{"tx_bytes", "rx_bytes", "tx_messages", "rx_messages", "kicks",
                        "events",   "spurious", "spins",       "spins_won"};
const keys connection_keys{"id",          "role",    "state",   "local_port",
                           "remote_port", "tx_ring", "rx_ring", "spin_ns"};
const keys connection_names{"id", "role"};

bool is_name(std::string_view key) {
    return key == "role" || key == "state";
}

/// An empty table, whose first column is the CID.
text_table make_table(const keys& titles, std::string_view suffix = "") {
    std::vector<text_table::column> columns{{"cid", text_table::align::left}};
    for (const std::string_view title : titles) {
        const bool counts = is_cumulative(title);
        columns.push_back({fmt::format("{}{}", title, counts ? suffix : ""),
                           is_name(title) ? text_table::align::left : text_table::align::right});
    }
    return text_table(columns);
}

void add_row(text_table& table, const entry& one, const keys& shown, const std::string& name) {
    std::vector<std::string> cells{name};
    for (const char* key : shown)
        cells.push_back(one.text(key));
    table.add_row(std::move(cells));
}

std::string table_of(const std::vector<entry>& entries, const keys& shown, const entry* total) {
    text_table table = make_table(shown);
    for (const entry& one : entries)
        add_row(table, one, shown, one.text("cid"));
    if (total) {
        add_row(table, *total, shown, "total");
    }
    return table.to_string();
}

double seconds_between(const snapshot& now, const snapshot& older) {
    return std::chrono::duration<double>(now.time - older.time).count();
}

std::string format_rate(const std::optional<double>& rate) {
    return !rate ? "-" : *rate >= 100 ? fmt::format("{:.0f}", *rate) : fmt::format("{:.1f}", *rate);
}

/// The total of those that are in both lists: what came or went in between has no rate.
std::optional<double> total_rate(std::string_view key, const std::vector<entry>& now,
                                 const std::vector<entry>& older, double seconds) {
    std::optional<double> sum;
    for (const entry& one : now)
        if (const entry* before = find_older(one, older))
            if (const auto rate = rate_of(key, one, *before, seconds))
                sum = sum.value_or(0) + *rate;
    return sum;
}

/// A row for each, with the keys of `names` as they are and the rates of the others; then the total.
std::string rates_of(const std::vector<entry>& now, const std::vector<entry>& older, const keys& names,
                     const keys& counted, double seconds) {
    keys titles = names;
    titles.insert(titles.end(), counted.begin(), counted.end());
    text_table table = make_table(titles, "/s");
    std::vector<std::string> total{"total"};
    total.resize(1 + names.size());
    for (const entry& one : now) {
        std::vector<std::string> cells{one.text("cid")};
        for (const char* name : names)
            cells.push_back(one.text(name));
        const entry* before = find_older(one, older);
        for (const char* key : counted)
            cells.push_back(format_rate(before ? rate_of(key, one, *before, seconds) : std::nullopt));
        table.add_row(std::move(cells));
    }
    for (const char* key : counted)
        total.push_back(format_rate(total_rate(key, now, older, seconds)));
    table.add_row(std::move(total));
    return table.to_string();
}

json::object to_json(const entry& one) {
    json::object object;
    for (const field& each : one.fields)
        std::visit([&](const auto& value) { object[each.key] = value; }, each.value);
    return object;
}

json::array to_json(const std::vector<entry>& entries, const std::vector<entry>* older, double seconds) {
    json::array list;
    for (const entry& one : entries) {
        json::object object = to_json(one);
        if (const entry* before = older ? find_older(one, *older) : nullptr) {
            json::object rates;
            for (const field& each : one.fields)
                if (is_cumulative(each.key))
                    if (const auto rate = rate_of(each.key, one, *before, seconds))
                        rates[each.key] = *rate;
            object["rates"] = std::move(rates);
        }
        list.push_back(std::move(object));
    }
    return list;
}

} // namespace

std::string format_tables(const snapshot& now, bool connections) {
    const entry total = total_of(now.peers);
    std::string text = fmt::format("peers\n{}\ntraffic\n{}", table_of(now.peers, peer_keys, &total),
                                   table_of(now.peers, traffic_keys, &total));
    if (connections) {
        keys shown = connection_names;
        shown.insert(shown.end(), traffic_keys.begin(), traffic_keys.end());
        text += fmt::format("\nconnections\n{}\ntraffic of connections\n{}",
                            table_of(now.connections, connection_keys, nullptr),
                            table_of(now.connections, shown, nullptr));
    }
    return text;
}

std::string format_rates(const snapshot& now, const snapshot& older, bool connections) {
    const double seconds = seconds_between(now, older);
    keys counted{"connected", "refused", "denied", "violations"};
    counted.insert(counted.end(), traffic_keys.begin(), traffic_keys.end());
    std::string text = fmt::format("traffic, in {:.2f} s\n{}", seconds,
                                   rates_of(now.peers, older.peers, {}, counted, seconds));
    if (connections)
        text += fmt::format(
            "\ntraffic of connections, in {:.2f} s\n{}", seconds,
            rates_of(now.connections, older.connections, connection_names, traffic_keys, seconds));
    return text;
}

std::string format_json(const snapshot& now, const snapshot* older) {
    const double seconds = older ? seconds_between(now, *older) : 0;
    json::object root;
    if (older)
        root["seconds"] = seconds;
    root["peers"] = to_json(now.peers, older ? &older->peers : nullptr, seconds);
    root["connections"] = to_json(now.connections, older ? &older->connections : nullptr, seconds);
    json::object total = to_json(total_of(now.peers));
    if (older) {
        json::object rates;
        for (const auto& member : json::object(total))
            if (is_cumulative(member.key()))
                if (const auto rate = total_rate(member.key(), now.peers, older->peers, seconds))
                    rates[member.key()] = *rate;
        total["rates"] = std::move(rates);
    }
    root["total"] = std::move(total);
    return json::serialize(root) + "\n";
}

} // namespace xvsock::counters
