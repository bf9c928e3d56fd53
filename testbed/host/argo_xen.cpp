// SPDX-License-Identifier: MIT
#include "host/argo_xen.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/failure.hpp"
#include "host/suites.hpp"
#include "host/tool.hpp"

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace xvsock::testbed {

namespace {

constexpr const char* suite = "bookworm"; // whose Xen, 4.17, goes with the tools in dom0's image

void require_tools() {
    static constexpr std::array<std::pair<const char*, const char*>, 6> tools{{{"make", "make"},
                                                                               {"gcc", "gcc"},
                                                                               {"flex", "flex"},
                                                                               {"bison", "bison"},
                                                                               {"python3", "python3"},
                                                                               {"xz", "xz-utils"}}};
    for (const auto& [program, package] : tools)
        require_program(program, package);
}

class xen_build {
public:
    xen_build(const fs::path& folder, const progress& tell)
        : folder_(fs::absolute(folder)), log_(folder_.parent_path() / "logs/xen-argo.log"), tell_(tell) {}

    asio::awaitable<void> run() {
        fs::remove(log_);
        co_await download();
        const auto tree = folder_ / "tree";
        fs::create_directories(tree);
        co_await logged(
            word_list("tar", "-C", tree.string(), "--strip-components=1", "-xf", archive().string()),
            "unpacking Xen's source");
        co_await make(tree, "defconfig");
        // Of two lines for one option kconfig takes the later one.
        const auto config = tree / "xen/.config";
        write_file(config, read_file(config) + "CONFIG_UNSUPPORTED=y\nCONFIG_ARGO=y\n");
        co_await make(tree, "olddefconfig");
        if (read_file(config).find("CONFIG_ARGO=y") == std::string::npos)
            throw failure(exit_environment, "this version of Xen cannot be built with Argo");
        co_await make(tree, "-j2");
        fs::copy_file(tree / "xen/xen", folder_ / "xen");
        fs::remove_all(tree);
        fs::remove_all(source());
    }

private:
    [[nodiscard]] fs::path source() const { return folder_ / "source"; }

    asio::awaitable<void> logged(std::vector<std::string> argv, std::string purpose) {
        command what;
        what.argv = std::move(argv);
        co_await run_logged(std::move(what), log_, std::move(purpose));
    }

    asio::awaitable<void> make(const fs::path& tree, std::string target) {
        co_await logged(word_list("nice", "make", "-C", (tree / "xen").string(), std::move(target)),
                        "building Xen");
    }

    // apt's own configuration, but only source packages, and in a folder of ours.
    std::vector<std::string> apt(std::vector<std::string> words) const {
        std::vector<std::string> argv{std::move(words.front())};
        for (const auto& [key, value] : {std::pair{"Dir::Etc::sourcelist", source() / "sources.list"},
                                         {"Dir::Etc::sourceparts", fs::path("-")},
                                         {"Dir::State::lists", source() / "lists"},
                                         {"Dir::Cache", source() / "cache"},
                                         {"APT::Sandbox::User", fs::path("root")}}) {
            argv.emplace_back("-o");
            argv.push_back(fmt::format("{}={}", key, value.string()));
        }
        argv.insert(argv.end(), words.begin() + 1, words.end());
        return argv;
    }

    asio::awaitable<void> download() {
        for (const auto* part : {"lists/partial", "cache/archives/partial"})
            fs::create_directories(source() / part);
        auto lines = sources_list(suite, co_await host_mirrors());
        for (std::size_t at = 0; (at = lines.find("deb ", at)) != std::string::npos; at += 8)
            lines.replace(at, 4, "deb-src ");
        write_file(source() / "sources.list", lines);
        co_await logged(apt(word_list("apt-get", "update")), "asking for Xen's source");
        command ask;
        ask.argv = apt(word_list("apt-cache", "showsrc", "xen"));
        const auto records = co_await capture(std::move(ask));
        const auto versions = source_versions(records.output);
        // The mirror does not always have what its index names; the log says what it answered.
        for (const auto& version : versions) {
            auto get = word_list("env", "-C", source().string());
            const auto words = apt(word_list("apt-get", "source", "--download-only", "xen=" + version));
            get.insert(get.end(), words.begin(), words.end());
            try {
                co_await logged(get, "downloading Xen's source");
            } catch (const failure&) {
                continue;
            }
            tell_.say(fmt::format("building Xen {} with Argo: this takes about three minutes", version));
            write_file(folder_ / "version", version);
            co_return;
        }
        throw failure(exit_environment,
                      fmt::format("the source of Xen cannot be had from {}'s archive, which names {}: there "
                                  "will be no hypervisor with Argo",
                                  suite,
                                  versions.empty() ? "none" : fmt::format("{}", fmt::join(versions, ", "))));
    }

    [[nodiscard]] fs::path archive() const {
        for (const auto& entry : fs::directory_iterator(source()))
            if (entry.path().filename().string().find(".orig.tar.") != std::string::npos)
                return entry.path();
        return {};
    }

    fs::path folder_;
    fs::path log_;
    const progress& tell_;
};

} // namespace

std::vector<std::string> source_versions(std::string_view records) {
    constexpr std::string_view key = "Version: ";
    std::vector<std::string> versions;
    std::istringstream lines{std::string(records)};
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with(key))
            versions.push_back(line.substr(key.size()));
    std::sort(versions.begin(), versions.end(), [](const auto& left, const auto& right) {
        return ::strverscmp(left.c_str(), right.c_str()) > 0;
    });
    versions.erase(std::unique(versions.begin(), versions.end()), versions.end());
    return versions;
}

asio::awaitable<fs::path> obtain_argo_xen(image_cache& cache, const progress& tell) {
    const image_cache::builder build = [&](fs::path folder) -> asio::awaitable<void> {
        require_tools();
        xen_build work(folder, tell);
        co_await work.run();
    };
    const auto entry = co_await cache.obtain("xen-argo", fmt::format("version 1\n{}\n", suite), build);
    co_return entry / "xen";
}

} // namespace xvsock::testbed
