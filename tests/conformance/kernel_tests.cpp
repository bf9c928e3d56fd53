// SPDX-License-Identifier: MIT
#include "kernel_tests.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "host/failure.hpp"
#include "host/suites.hpp"
#include "host/tool.hpp"

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace xvsock::conformance {

using namespace testbed;

namespace {

// Counts up when the way the tests are built changes, so that old cache entries are no longer taken.
constexpr int recipe_version = 1;

std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

// An apt of its own: the mirrors and settings of this machine's, but no other suite, and no root needed.
class private_apt {
public:
    private_apt(fs::path folder, fs::path log) : folder_(std::move(folder)), log_(std::move(log)) {}

    /// Downloads the newest version of a package in a suite and returns the .deb.
    asio::awaitable<fs::path> download(std::string package, std::string suite) {
        for (const auto* name : {"lists/partial", "archives/partial", "download"})
            fs::create_directories(folder_ / name);
        write_file(folder_ / "status", "");
        write_file(folder_ / "sources.list", sources_list(suite, co_await host_mirrors()));
        co_await apt(word_list("update"), {}, "reading the package lists of " + suite);
        co_await apt(word_list("download", package), (folder_ / "download").string(),
                     "downloading " + package);
        for (const auto& entry : fs::directory_iterator(folder_ / "download"))
            if (entry.path().extension() == ".deb")
                co_return entry.path();
        throw failure(exit_environment,
                      fmt::format("apt-get downloaded no {}; see {}", package, log_.string()));
    }

private:
    asio::awaitable<void> apt(std::vector<std::string> words, std::string directory, std::string purpose) {
        command tool;
        tool.argv = word_list("apt-get");
        const auto set = [&](const std::string& option, const std::string& value) {
            tool.argv.insert(tool.argv.end(), {"-o", option + "=" + value});
        };
        set("Dir::Etc::SourceList", (folder_ / "sources.list").string());
        set("Dir::Etc::SourceParts", "/dev/null");
        set("Dir::State", folder_.string());
        set("Dir::State::status", (folder_ / "status").string());
        set("Dir::Cache", folder_.string());
        set("Acquire::Languages", "none");
        set("Acquire::Retries", "3");
        set("APT::Sandbox::User", "root");
        set("APT::Update::Error-Mode", "any");
        tool.argv.insert(tool.argv.end(), words.begin(), words.end());
        tool.directory = std::move(directory);
        co_await run_logged(std::move(tool), log_, std::move(purpose));
    }

    fs::path folder_;
    fs::path log_;
};

class kernel_tests_build {
public:
    kernel_tests_build(kernel_source source, fs::path folder)
        : package_(fmt::format("linux-source-{}", source.release)), suite_(source.suite),
          folder_(std::move(folder)),
          log_(folder_.parent_path() / "logs" / (folder_.filename().string() + ".log")) {}

    asio::awaitable<void> run() {
        std::error_code ignored;
        fs::remove(log_, ignored);
        require_program("make", "make");
        require_program("xz", "xz-utils");
        const auto tarball = co_await obtain_tarball();
        co_await extract(tarball);
        co_await compile();
        for (const auto* name : {"apt", "package", "source"})
            fs::remove_all(folder_ / name);
    }

private:
    // The one of the installed package, if there is one, saves a download.
    asio::awaitable<fs::path> obtain_tarball() {
        const auto name = fmt::format("usr/src/{}.tar.xz", package_);
        if (fs::exists("/" + name)) {
            co_await note_version(
                word_list("dpkg-query", "--show", "--showformat", "${Version}\n", package_));
            co_return "/" + name;
        }
        private_apt apt(folder_ / "apt", log_);
        const auto package = co_await apt.download(package_, suite_);
        co_await note_version(word_list("dpkg-deb", "--field", package.string(), "Version"));
        co_await tool(word_list("dpkg-deb", "--extract", package.string(), (folder_ / "package").string()),
                      "unpacking " + package_);
        fs::remove(package);
        co_return folder_ / "package" / name;
    }

    asio::awaitable<void> note_version(std::vector<std::string> argv) {
        command ask;
        ask.argv = std::move(argv);
        write_file(folder_ / "version", first_line((co_await capture(std::move(ask))).output) + "\n");
    }

    asio::awaitable<void> extract(fs::path tarball) {
        const auto target = folder_ / "source";
        fs::create_directories(target);
        co_await tool(word_list("tar", "--extract", "--xz", "--file", tarball.string(), "--directory",
                                target.string(), "--strip-components=1", "--wildcards",
                                "*/tools/testing/vsock/*", "*/tools/include/*"),
                      "unpacking " + tarball.string());
    }

    asio::awaitable<void> compile() {
        const auto place = folder_ / "source/tools/testing/vsock";
        std::vector<std::string> programs{"vsock_test", "vsock_diag_test"};
        if (fs::exists(place / "vsock_perf.c")) // since 6.2
            programs.emplace_back("vsock_perf");
        auto argv = word_list("make", "-j2", "-C", place.string());
        argv.insert(argv.end(), programs.begin(), programs.end());
        co_await tool(std::move(argv), "compiling the tests of " + package_);
        fs::create_directories(folder_ / "bin");
        for (const auto& program : programs)
            fs::copy_file(place / program, folder_ / "bin" / program);
    }

    asio::awaitable<void> tool(std::vector<std::string> argv, std::string purpose) {
        command what;
        what.argv = std::move(argv);
        co_await run_logged(std::move(what), log_, std::move(purpose));
    }

    std::string package_;
    std::string suite_;
    fs::path folder_;
    fs::path log_;
};

} // namespace

asio::awaitable<fs::path> obtain_kernel_tests(kernel_source source, image_cache& cache,
                                              const progress& tell) {
    const image_cache::builder build = [&source, &tell](fs::path folder) -> asio::awaitable<void> {
        tell.say(fmt::format("building the vsock tests of Linux {}", source.release));
        const auto start = tell.seconds();
        kernel_tests_build builder(source, folder);
        co_await builder.run();
        tell.say(fmt::format("built them in {:.1f} s", tell.seconds() - start));
    };
    co_return co_await cache.obtain(
        fmt::format("vsock-tests-{}", source.release),
        fmt::format("version {}\nlinux-source-{} of {}\n", recipe_version, source.release, source.suite),
        build);
}

} // namespace xvsock::conformance
