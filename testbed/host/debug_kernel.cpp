// SPDX-License-Identifier: MIT
#include "host/debug_kernel.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <set>
#include <sstream>
#include <thread>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/failure.hpp"
#include "host/kernel_modules.hpp"
#include "host/root_builder.hpp"
#include "host/tool.hpp"

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace xvsock::testbed {

namespace {

constexpr const char* source_package = "linux-source-6.1";
constexpr const char* archive = "/usr/src/linux-source-6.1.tar.xz";
constexpr const char* suite = "bookworm"; // of that kernel

fs::path ingredients() {
    return fs::path(TESTBED_SOURCE_FOLDER) / "testbed/debug-kernel";
}

fs::path fragment_file() {
    return ingredients() / "config";
}

std::vector<fs::path> patches() {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(ingredients()))
        if (entry.path().extension() == ".patch")
            files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
}

// What the kernel is made of, besides its source.
std::string recipe_of_files() {
    auto text = read_file(fragment_file());
    for (const auto& patch : patches())
        text += read_file(patch);
    return text;
}

void require_tools() {
    struct tool {
        const char* program;
        const char* package;
    };
    static constexpr std::array<tool, 9> tools{{{"make", "make"},
                                                {"patch", "patch"},
                                                {"gcc", "gcc"},
                                                {"flex", "flex"},
                                                {"bison", "bison"},
                                                {"bc", "bc"},
                                                {"perl", "perl"},
                                                {"xz", "xz-utils"},
                                                {"strip", "binutils"}}};
    for (const auto& [program, package] : tools)
        require_program(program, package);
    struct content {
        const char* file;
        const char* package;
    };
    for (const auto& [file, package] :
         {content{archive, source_package}, {"/usr/include/gelf.h", "libelf-dev"}})
        if (!fs::exists(file))
            throw failure(
                exit_environment,
                fmt::format("the debug kernel needs {}; install Debian's package {}", file, package));
}

asio::awaitable<std::string> source_version() {
    command ask;
    ask.argv = word_list("dpkg-query", "-W", "-f", "${Version}", source_package);
    const auto answer = co_await capture(std::move(ask));
    if (answer.status != 0 || answer.output.empty())
        throw failure(exit_environment,
                      fmt::format("{} is missing; install Debian's package of this name", source_package));
    co_return answer.output;
}

std::size_t compiled_files(const fs::path& log) {
    std::error_code error;
    if (!fs::exists(log, error))
        return 0;
    std::istringstream lines(read_file(log));
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line);)
        count +=
            line.starts_with("  CC ") || line.starts_with("  CC [M]") || line.starts_with("  AS ") ? 1 : 0;
    return count;
}

// Says every minute how far the build is; never returns.
asio::awaitable<void> tell_progress(const fs::path& log, const progress& tell) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    for (;;) {
        timer.expires_after(std::chrono::minutes(1));
        co_await timer.async_wait(asio::use_awaitable);
        tell.say(fmt::format("the debug kernel: {} files are compiled", compiled_files(log)));
    }
}

class kernel_build {
public:
    kernel_build(fs::path folder, const progress& tell)
        : folder_(std::move(folder)), tree_(folder_ / "tree"),
          log_(folder_.parent_path() / "logs/debug-kernel.log"), tell_(tell) {}

    asio::awaitable<void> run(std::vector<std::string> modules) {
        using namespace asio::experimental::awaitable_operators;
        fs::create_directories(tree_);
        fs::remove(log_);
        co_await logged(word_list("tar", "-C", tree_.string(), "--strip-components=1", "-xf", archive),
                        "unpacking the kernel's source");
        for (const auto& patch : patches())
            co_await logged(word_list("patch", "-d", tree_.string(), "-p1", "-i", patch.string()),
                            "patching the kernel's source");
        co_await configure();
        const auto jobs = fmt::format("-j{}", std::max(1U, std::thread::hardware_concurrency()));
        std::exception_ptr problem;
        co_await (compile(jobs, problem) || tell_progress(log_, tell_));
        if (problem)
            std::rethrow_exception(problem);
        co_await pack(std::move(modules));
        prune();
    }

private:
    asio::awaitable<void> logged(std::vector<std::string> argv, std::string purpose) {
        command what;
        what.argv = std::move(argv);
        co_await run_logged(std::move(what), log_, std::move(purpose));
    }

    asio::awaitable<void> make(std::vector<std::string> words) {
        auto argv = word_list("nice", "make", "-C", tree_.string());
        argv.insert(argv.end(), words.begin(), words.end());
        co_await logged(std::move(argv), "building the debug kernel");
    }

    // Does not throw: of two that run until one succeeds, one that fails ends nothing.
    asio::awaitable<void> compile(std::string jobs, std::exception_ptr& problem) {
        try {
            co_await make(word_list(jobs, "vmlinux", "modules"));
        } catch (...) {
            problem = std::current_exception();
        }
    }

    asio::awaitable<void> configure() {
        const auto fragment = read_file(fragment_file());
        co_await make(word_list("tinyconfig"));
        // Of two lines for one option kconfig takes the later one.
        write_file(tree_ / ".config", read_file(tree_ / ".config") + fragment);
        co_await make(word_list("olddefconfig"));
        const auto lost = lost_options(fragment, read_file(tree_ / ".config"));
        if (!lost.empty())
            throw failure(exit_environment, fmt::format("{}: this kernel does not take {}",
                                                        fragment_file().string(), fmt::join(lost, ", ")));
    }

    // What a run needs, in the shape that Debian's kernels have in the cache.
    asio::awaitable<void> pack(std::vector<std::string> modules) {
        const auto root = folder_ / "root";
        root_description description;
        description.suite = suite;
        description.packages = word_list("base-files", "kmod", "liblzma5");
        co_await build_root(std::move(description), root, folder_.parent_path() / "logs");
        co_await make(word_list("INSTALL_MOD_PATH=" + (root / "usr").string(), "INSTALL_MOD_STRIP=1",
                                "DEPMOD=true", "modules_install"));
        const auto release = kernel_release(root);
        // Links to the tree: nothing in an image follows them.
        for (const auto* link : {"build", "source"})
            fs::remove(root / "usr/lib/modules" / release / link);
        co_await select_modules(root, release, std::move(modules), folder_ / "modules.cpio");
        co_await logged(word_list("strip", "--strip-all", "-o", (folder_ / "vmlinux").string(),
                                  (tree_ / "vmlinux").string()),
                        "stripping the debug kernel");
        write_file(folder_ / "release", release);
        fs::remove_all(root);
    }

    // Leaves of the tree what building a module takes: a tenth.
    void prune() const {
        static const std::set<std::string> kept{"Makefile", "Kbuild", "Kconfig",        "scripts", "include",
                                                "arch",     "tools",  "Module.symvers", ".config", "certs"};
        for (const auto& entry : fs::directory_iterator(tree_))
            if (!kept.contains(entry.path().filename().string()))
                fs::remove_all(entry.path());
        for (const auto& entry : fs::directory_iterator(tree_ / "arch"))
            if (entry.is_directory() && entry.path().filename() != "x86")
                fs::remove_all(entry.path());
        for (const auto& entry : fs::directory_iterator(tree_ / "tools"))
            if (const auto name = entry.path().filename(); name != "objtool" && name != "build")
                fs::remove_all(entry.path());
        std::vector<fs::path> objects;
        for (const auto& entry : fs::recursive_directory_iterator(tree_ / "arch/x86"))
            if (entry.path().extension() == ".o" || entry.path().extension() == ".a")
                objects.push_back(entry.path());
        for (const auto& file : objects)
            fs::remove(file);
    }

    fs::path folder_;
    fs::path tree_;
    fs::path log_;
    const progress& tell_;
};

} // namespace

std::vector<std::string> lost_options(std::string_view fragment, std::string_view config) {
    std::set<std::string> there;
    std::istringstream lines{std::string(config)};
    for (std::string line; std::getline(lines, line);)
        there.insert(line);
    std::vector<std::string> lost;
    lines = std::istringstream{std::string(fragment)};
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("CONFIG_") && !there.contains(line))
            lost.push_back(line);
    return lost;
}

asio::awaitable<fs::path> obtain_debug_kernel(std::vector<std::string> modules, image_cache& cache,
                                              const progress& tell) {
    // Its modules are few: all that a scenario may ask for are in the one archive.
    for (const auto* name : {"vsockmon", "vhost_vsock"})
        modules.emplace_back(name);
    std::sort(modules.begin(), modules.end());
    modules.erase(std::unique(modules.begin(), modules.end()), modules.end());
    const auto version = co_await source_version();
    const auto recipe = fmt::format("version 1\n{} {}\n{}\n{}\n", source_package, version, recipe_of_files(),
                                    fmt::join(modules, "\n"));
    const image_cache::builder build = [&](fs::path folder) -> asio::awaitable<void> {
        require_tools();
        tell.say(fmt::format("building the debug kernel from {} {}: this takes 10 minutes or more",
                             source_package, version));
        const auto start = tell.seconds();
        kernel_build work(folder, tell);
        co_await work.run(modules);
        tell.say(fmt::format("built the debug kernel in {:.1f} s", tell.seconds() - start));
    };
    co_return co_await cache.obtain("kernel-debug", recipe, build);
}

} // namespace xvsock::testbed
