// SPDX-License-Identifier: MIT
#include "stat/counters.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace xvsock::counters {

namespace {

namespace fs = std::filesystem;

constexpr std::array cumulative{
    std::string_view("connected"),   std::string_view("refused"),     std::string_view("denied"),
    std::string_view("violations"),  std::string_view("tx_bytes"),    std::string_view("rx_bytes"),
    std::string_view("tx_messages"), std::string_view("rx_messages"), std::string_view("kicks"),
    std::string_view("events"),      std::string_view("spurious"),    std::string_view("spins"),
    std::string_view("spins_won")};

constexpr std::array levels{std::string_view("initiated"), std::string_view("accepted"),
                            std::string_view("idle"), std::string_view("granted_pages"),
                            std::string_view("mapped_pages")};

/// Reads one line's fields; throws std::invalid_argument that says what is wrong with them.
entry parse_line(std::string_view line) {
    entry result;
    for (std::size_t begin = 0; begin < line.size();) {
        const std::size_t space = std::min(line.find(' ', begin), line.size());
        const std::string_view word = line.substr(begin, space - begin);
        begin = space + 1;
        if (word.empty())
            continue;
        const std::size_t equals = word.find('=');
        if (equals == std::string_view::npos || equals == 0)
            throw std::invalid_argument(fmt::format("'{}' is not KEY=VALUE", word));
        const std::string_view key = word.substr(0, equals), value = word.substr(equals + 1);
        if (std::ranges::find(result.fields, key, &field::key) != result.fields.end())
            throw std::invalid_argument(fmt::format("'{}' comes twice", key));

        std::uint64_t number = 0;
        const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
        if (error == std::errc::result_out_of_range)
            throw std::invalid_argument(fmt::format("'{}' is too large a number", word));
        if (error == std::errc{} && end == value.data() + value.size())
            result.fields.push_back({std::string(key), number});
        else
            result.fields.push_back({std::string(key), std::string(value)});
    }
    return result;
}

/// Why the counters are not there.
std::string explain(const fs::path& debugfs, const fs::path& file, int error) {
    const std::string start = fmt::format("cannot read {}: ", file.string());
    if (error == EACCES || error == EPERM)
        return start + (geteuid() == 0 ? std::strerror(error) : "only root may; try it with sudo");
    if (error != ENOENT && error != ENOTDIR)
        return start + std::strerror(error);
    struct statfs status {};
    if (statfs(debugfs.c_str(), &status) != 0 || status.f_type != DEBUGFS_MAGIC)
        return start + fmt::format("debugfs is not mounted there; mount it with 'mount -t debugfs none {}'",
                                   debugfs.string());
    if (fs::exists("/sys/module/xen_vsock"))
        return start + "the module xen_vsock that is loaded has no counters; is it an older one?";
    return start + "the module xen_vsock is not loaded; load it with 'modprobe xen_vsock'";
}

std::string read_text(const fs::path& debugfs, const char* name) {
    const fs::path file = debugfs / "xvsock" / name;
    errno = 0;
    std::ifstream input(file, std::ios::binary);
    if (!input)
        throw std::runtime_error(explain(debugfs, file, errno));
    std::ostringstream text;
    if (input.peek() != std::ifstream::traits_type::eof()) // an empty file is no error, and inserts nothing
        text << input.rdbuf();
    if (input.bad() || fs::is_directory(file))
        throw std::runtime_error(fmt::format("cannot read {}: not a readable file", file.string()));
    return std::move(text).str();
}

} // namespace

std::optional<std::uint64_t> entry::number(std::string_view key) const {
    const auto found = std::ranges::find(fields, key, &field::key);
    const auto* number = found == fields.end() ? nullptr : std::get_if<std::uint64_t>(&found->value);
    return number ? std::optional(*number) : std::nullopt;
}

std::string entry::text(std::string_view key) const {
    const auto found = std::ranges::find(fields, key, &field::key);
    if (found == fields.end())
        return "-";
    return std::visit([](const auto& value) { return fmt::format("{}", value); }, found->value);
}

std::vector<entry> parse_entries(std::string_view text, std::string_view source,
                                 const std::vector<std::string_view>& needed) {
    std::vector<entry> entries;
    unsigned number = 0;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        const std::string_view line = text.substr(begin, end - begin);
        begin = end + 1;
        ++number;
        try {
            entry one = parse_line(line);
            for (const std::string_view key : needed)
                if (!one.number(key))
                    throw std::invalid_argument(one.text(key) == "-"
                                                    ? fmt::format("'{}' is missing", key)
                                                    : fmt::format("'{}' is not a number", key));
            entries.push_back(std::move(one));
        } catch (const std::invalid_argument& error) {
            throw std::runtime_error(fmt::format("{}: line {}: {}", source, number, error.what()));
        }
    }
    return entries;
}

snapshot parse_snapshot(std::string_view peers, std::string_view connections) {
    return {.time = std::chrono::steady_clock::now(),
            .peers = parse_entries(peers, "xvsock/peers", {"cid"}),
            .connections = parse_entries(connections, "xvsock/connections", {"cid", "id"})};
}

snapshot read_snapshot(const fs::path& debugfs) {
    const std::string peers = read_text(debugfs, "peers");
    return parse_snapshot(peers, read_text(debugfs, "connections"));
}

void keep_cids(snapshot& of, const std::vector<std::uint32_t>& cids) {
    if (cids.empty())
        return;
    const auto unwanted = [&](const entry& one) {
        return std::ranges::find(cids, one.number("cid").value_or(UINT64_MAX)) == cids.end();
    };
    std::erase_if(of.peers, unwanted);
    std::erase_if(of.connections, unwanted);
}

entry total_of(const std::vector<entry>& peers) {
    entry total;
    const auto add = [&](std::string_view key) {
        std::uint64_t sum = 0;
        bool known = false;
        for (const entry& peer : peers) {
            const auto number = peer.number(key);
            known = known || number;
            sum += number.value_or(0);
        }
        if (known)
            total.fields.push_back({std::string(key), sum});
    };
    std::ranges::for_each(levels, add);
    std::ranges::for_each(cumulative, add);
    return total;
}

bool is_cumulative(std::string_view key) {
    return std::ranges::find(cumulative, key) != cumulative.end();
}

const entry* find_older(const entry& of, const std::vector<entry>& older) {
    const auto same = [&](const entry& other) {
        return std::ranges::all_of(std::array{"cid", "id", "role"},
                                   [&](std::string_view key) { return of.text(key) == other.text(key); });
    };
    const auto found = std::ranges::find_if(older, same);
    if (found == older.end())
        return nullptr;
    const bool counted_on = std::ranges::all_of(cumulative, [&](std::string_view key) {
        return of.number(key).value_or(0) >= found->number(key).value_or(0);
    });
    return counted_on ? &*found : nullptr;
}

std::optional<double> rate_of(std::string_view key, const entry& now, const entry& older, double seconds) {
    const auto after = now.number(key), before = older.number(key);
    if (!after || !before || *after < *before || seconds <= 0)
        return std::nullopt;
    return double(*after - *before) / seconds;
}

} // namespace xvsock::counters
