// SPDX-License-Identifier: MIT
#include "host/module_build.hpp"

#include <algorithm>
#include <sstream>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fmt/format.h>

#include "host/failure.hpp"
#include "host/image_cache.hpp"
#include "host/images.hpp"
#include "host/kernel_modules.hpp"
#include "host/root_builder.hpp"
#include "host/suites.hpp"
#include "host/tool.hpp"

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace xvsock::testbed {

namespace {

constexpr const char* backports = "bookworm-backports";
constexpr const char* module_file = "xen_vsock.ko";
constexpr const char* stamp_file = "sources";

// All files below a folder with their content, as one text to be hashed.
std::string content(const fs::path& folder) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder))
        if (entry.is_regular_file())
            files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    std::string text;
    for (const auto& file : files)
        text += fmt::format("{}\n{}\n", file.string(), read_file(file));
    return text;
}

// Lines of a build log in which the compiler or modpost complains.
std::string warnings(const std::string& log) {
    std::string found;
    std::istringstream lines(log);
    for (std::string line; std::getline(lines, line);)
        if (line.find("warning:") != std::string::npos || line.find("WARNING:") != std::string::npos ||
            line.find("error:") != std::string::npos || line.find("ERROR:") != std::string::npos)
            found += "\n  " + line;
    return found;
}

asio::awaitable<void> make_build_root(fs::path folder, std::string suite, std::string headers, bool sparse) {
    root_description description;
    description.suite = suite;
    description.packages = word_list("base-files", "bash", "busybox", "coreutils", "dash", "make", headers);
    if (sparse)
        description.packages.emplace_back("sparse");
    const auto root = folder / "root";
    co_await build_root(std::move(description), root, folder.parent_path() / "logs");
    fs::create_directories(root / "dev");
    if (!fs::exists(root / "dev/null") &&
        ::mknod((root / "dev/null").c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0)
        throw failure(exit_environment, "cannot make /dev/null in the build root; are you root?");
}

class module_builder {
public:
    module_builder(module_options options, const progress& tell)
        : options_(std::move(options)), tell_(tell),
          cache_(options_.cache, [this](const std::string& text) { tell_.say(text); }) {
        cache_.set_refresh(options_.refresh);
    }

    asio::awaitable<fs::path> build() {
        const auto ring = options_.source.parent_path() / "vchan";
        for (const auto& folder : {options_.source, ring})
            if (!fs::is_directory(folder))
                throw failure(exit_usage, fmt::format("{} is no folder", folder.string()));
        const bool debug = options_.kernel == debug_kernel;
        fs::path root;
        std::string release;
        if (debug) {
            const auto built = co_await debug_kernel_build(cache_, tell_);
            root = built.tree;
            release = built.release;
        } else {
            root = co_await build_root_for_suite();
            release = kernel_release(root);
        }
        const auto out = options_.out / release;
        const auto stamp = cache_key("module", root.string() + content(options_.source) + content(ring));
        if (fs::exists(out / module_file) && fs::exists(out / stamp_file) &&
            read_file(out / stamp_file) == stamp) {
            tell_.say(fmt::format("module for {} is up to date: {}", release, (out / module_file).string()));
            co_return out / module_file;
        }
        tell_.say("building the module for " + release);
        fs::create_directories(out);
        fs::remove(out / stamp_file);
        fs::remove(out / module_file);
        if (debug)
            co_await compile_in_tree(root, ring, out);
        else
            co_await compile(root, release, ring, out);
        write_file(out / stamp_file, stamp);
        tell_.say(fmt::format("built {}", (out / module_file).string()));
        co_return out / module_file;
    }

private:
    // The root with the headers of the images' kernel, or of the newest one where no images are made.
    asio::awaitable<fs::path> build_root_for_suite() {
        std::string suite = options_.suite;
        std::string headers = "linux-headers-amd64/" + suite;
        if (suite != backports) {
            headers = "linux-headers-" + co_await image_kernel_release(suite, cache_, tell_);
            suite = image_suite_named(suite).kernel;
        }
        const bool sparse = options_.sparse;
        const image_cache::builder make = [this, suite, headers,
                                           sparse](fs::path folder) -> asio::awaitable<void> {
            tell_.say("building a root to compile in, with " + headers);
            co_await make_build_root(folder, suite, headers, sparse);
        };
        const auto entry = co_await cache_.obtain((sparse ? "sparse-" : "compiler-") + options_.suite,
                                                  "version 1\n" + headers + "\n", make);
        co_return entry / "root";
    }

    void copy_sources(const fs::path& ring, const fs::path& place) const {
        fs::remove_all(place);
        fs::create_directories(place);
        fs::copy(ring, place / "vchan", fs::copy_options::recursive);
        fs::copy(options_.source, place / "module", fs::copy_options::recursive);
    }

    // With this machine's compiler, which has built that kernel, too.
    asio::awaitable<void> compile_in_tree(fs::path tree, fs::path ring, fs::path out) {
        const auto place = fs::absolute(out) / "build";
        copy_sources(ring, place);
        const auto log = out / "build.log";
        fs::remove(log);
        command make;
        make.argv =
            word_list("make", "-j2", "-C", tree.string(), "M=" + (place / "module").string(), "modules");
        co_await run_logged(std::move(make), log, "building the module");
        take_module(place, log, out);
    }

    asio::awaitable<void> compile(fs::path root, std::string release, fs::path ring, fs::path out) {
        const auto place = root / "build";
        copy_sources(ring, place);
        const auto log = out / "build.log";
        fs::remove(log);
        co_await run_in_root(root,
                             word_list("make", "-j2", "-C", "/lib/modules/" + release + "/build",
                                       "M=/build/module", options_.sparse ? "C=1" : "C=0", "modules"),
                             log);
        if (options_.sparse && read_file(log).find("sparse is not available") != std::string::npos)
            throw failure(exit_environment,
                          fmt::format("the headers of {} cannot run sparse: leave --sparse out\n  log: {}",
                                      release, log.string()));
        take_module(place, log, out);
    }

    static void take_module(const fs::path& place, const fs::path& log, const fs::path& out) {
        if (const auto found = warnings(read_file(log)); !found.empty())
            throw failure(exit_failed, fmt::format("the compiler warns about the module:{}\n  log: {}", found,
                                                   log.string()));
        fs::copy_file(place / "module" / module_file, out / "xen_vsock.ko.new",
                      fs::copy_options::overwrite_existing);
        fs::rename(out / "xen_vsock.ko.new", out / module_file);
        fs::remove_all(place);
    }

    module_options options_;
    progress tell_;
    image_cache cache_;
};

} // namespace

bool is_module_suite(const std::string& suite) {
    return suite == backports || is_image_suite(suite);
}

std::string module_suite_names() {
    return image_suite_names() + ", " + backports;
}

asio::awaitable<fs::path> build_module(module_options options, progress tell) {
    module_builder builder(std::move(options), tell);
    co_return co_await builder.build();
}

} // namespace xvsock::testbed
