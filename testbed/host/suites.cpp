// SPDX-License-Identifier: MIT
#include "host/suites.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "host/failure.hpp"
#include "host/tool.hpp"

namespace asio = boost::asio;

namespace xvsock::testbed {

namespace {

const std::array<image_suite, 3>& image_suites() {
    static const std::array<image_suite, 3> all{{{"bookworm", "bookworm", "bookworm", "4.17"},
                                                 {"trixie", "trixie", "trixie", "4.20"},
                                                 {"sid", "trixie", "sid", "4.20"}}};
    return all;
}

// Releases that tell a Debian archive from another one in apt's sources.
bool is_debian_release(const std::string& release) {
    static const std::set<std::string> names{"bookworm", "trixie",  "forky",    "sid",
                                             "stable",   "testing", "unstable", "oldstable"};
    return names.contains(release);
}

constexpr std::string_view keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

} // namespace

bool is_image_suite(std::string_view name) {
    return std::any_of(image_suites().begin(), image_suites().end(),
                       [&](const auto& suite) { return suite.name == name; });
}

const image_suite& image_suite_named(std::string_view name) {
    for (const auto& suite : image_suites())
        if (suite.name == name)
            return suite;
    throw failure(exit_usage, fmt::format("unknown suite \"{}\"; known are {}", name, image_suite_names()));
}

std::string image_suite_names() {
    std::string names;
    for (const auto& suite : image_suites())
        names += (names.empty() ? "" : ", ") + suite.name;
    return names;
}

mirrors parse_mirrors(std::string_view index_targets) {
    mirrors found;
    std::istringstream lines{std::string(index_targets)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string site;
        std::string release;
        std::string component;
        words >> site >> release >> component;
        if (component != "main")
            continue;
        constexpr std::string_view security = "-security";
        if (found.main.empty() && is_debian_release(release))
            found.main = site;
        if (found.security.empty() && release.ends_with(security) &&
            is_debian_release(release.substr(0, release.size() - security.size())))
            found.security = site;
    }
    if (found.main.empty())
        throw failure(exit_environment,
                      "apt's sources on this machine name no Debian archive; add one, for example to "
                      "/etc/apt/sources.list.d/debian.sources");
    if (found.security.empty())
        found.security = found.main + "-security";
    return found;
}

std::string sources_list(const std::string& suite, const mirrors& from) {
    const auto line = [](const std::string& site, const std::string& release) {
        return fmt::format("deb [signed-by={}] {} {} main\n", keyring, site, release);
    };
    if (suite == "sid")
        return line(from.main, "sid");
    constexpr std::string_view backports = "-backports";
    const auto base = suite.ends_with(backports) ? suite.substr(0, suite.size() - backports.size()) : suite;
    auto lines =
        line(from.main, base) + line(from.main, base + "-updates") + line(from.security, base + "-security");
    if (base != suite)
        lines += line(from.main, suite);
    return lines;
}

std::vector<std::string> inherited_apt_options(std::string_view dump) {
    std::vector<std::string> options;
    std::istringstream lines{std::string(dump)};
    for (std::string line; std::getline(lines, line);)
        for (const auto* prefix : {"Acquire::http::", "Acquire::https::", "Acquire::Check-Valid-Until "})
            if (line.starts_with(prefix))
                options.push_back(line);
    return options;
}

asio::awaitable<std::vector<std::string>> host_apt_options() {
    command ask;
    ask.argv = word_list("apt-config", "dump", "Acquire");
    const auto result = co_await capture(std::move(ask));
    if (result.status != 0)
        throw failure(exit_environment, fmt::format("apt-config dump failed: {}", result.output));
    co_return inherited_apt_options(result.output);
}

asio::awaitable<mirrors> host_mirrors() {
    command ask;
    ask.argv = word_list("apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)");
    const auto result = co_await capture(std::move(ask));
    if (result.status != 0)
        throw failure(exit_environment, fmt::format("apt-get indextargets failed: {}", result.output));
    co_return parse_mirrors(result.output);
}

} // namespace xvsock::testbed
