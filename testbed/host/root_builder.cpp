// SPDX-License-Identifier: MIT
#include "host/root_builder.hpp"

#include <csignal>
#include <sstream>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/failure.hpp"
#include "host/suites.hpp"
#include "host/tool.hpp"

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace xvsock::testbed {

namespace {

void write_if_missing(const fs::path& file, std::string_view content) {
    if (!fs::exists(file)) {
        fs::create_directories(file.parent_path());
        write_file(file, content);
    }
}

// What maintainer scripts would have made, as far as programs miss it.
void complete(const fs::path& root) {
    write_if_missing(root / "etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"
                                          "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
    write_if_missing(root / "etc/group", "root:x:0:\nnogroup:x:65534:\n");
    write_if_missing(root / "etc/nsswitch.conf",
                     "passwd: files\ngroup: files\nhosts: files\nprotocols: files\n"
                     "services: files\n");
    if (!fs::exists(fs::symlink_status(root / "usr/bin/sh")))
        fs::create_symlink("dash", root / "usr/bin/sh");
}

// Links to busybox for its commands that the image has not got.
asio::awaitable<void> add_busybox_commands(fs::path root) {
    if (!fs::exists(root / "usr/bin/busybox"))
        co_return;
    command list;
    list.argv = word_list("/usr/bin/busybox", "--list");
    list.root = root.string();
    std::istringstream names((co_await capture(std::move(list))).output);
    for (std::string name; names >> name;)
        if (!fs::exists(fs::symlink_status(root / "usr/bin" / name)) &&
            !fs::exists(fs::symlink_status(root / "usr/sbin" / name)))
            fs::create_symlink("busybox", root / "usr/bin" / name);
}

} // namespace

asio::awaitable<void> build_root(root_description what, fs::path root, fs::path logs) {
    require_program("mmdebstrap", "mmdebstrap");
    if (::geteuid() != 0)
        throw failure(exit_environment,
                      "images can only be built by root; run this as root once, later runs take "
                      "them from the cache");
    const auto sources = root.string() + ".list";
    write_file(sources, sources_list(what.suite, co_await host_mirrors()));
    // In a mount namespace of its own, so that nothing stays mounted however this ends.
    std::vector<std::string> argv{"unshare",
                                  "--mount",
                                  "mmdebstrap",
                                  what.configured ? "--variant=essential" : "--variant=extract",
                                  "--mode=root",
                                  "--aptopt=Acquire::Retries \"3\"",
                                  "--aptopt=Acquire::Languages \"none\"",
                                  fmt::format("--include={}", fmt::join(what.packages, ","))};
    const auto inherited = co_await host_apt_options();
    for (const auto& option : inherited)
        argv.push_back("--aptopt=" + option);
    // Programs are found in one place, whether the suite is merged by itself or not.
    if (what.suite == "bookworm" || what.suite.starts_with("bookworm-"))
        argv.emplace_back("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr");
    // Where nothing is configured, dpkg knows of nothing.
    if (!what.configured)
        argv.emplace_back(
            R"(--extract-hook=mkdir -p "$1/usr/share/testbed" && ls "$1/var/cache/apt/archives" |
            sed -n "s/_[^_]*[.]deb$//; T; s/_/ /; s/%3a/:/g; p" > "$1/usr/share/testbed/packages")");
    const auto base = what.suite.substr(0, what.suite.find('-'));
    argv.insert(argv.end(), {base, root.string(), sources});
    const auto log = logs / (root.parent_path().filename().string() + ".log");
    std::error_code ignored;
    fs::remove(log, ignored);
    command tool;
    tool.argv = argv;
    tool.death_signal = SIGTERM; // lets mmdebstrap stop its own children
    co_await run_logged(std::move(tool), log,
                        fmt::format("unpacking {} packages of {}", what.packages.size(), what.suite));
    if (!what.configured)
        complete(root);
    co_await add_busybox_commands(root);
    fs::remove(sources);
}

asio::awaitable<void> run_in_root(fs::path root, std::vector<std::string> argv, fs::path log) {
    const auto purpose = argv.front();
    command tool;
    // objtool of Linux 7 looks into /proc; with process numbers of its own, nothing in there outlives the
    // tool.
    tool.argv = word_list("unshare", "--mount", "--pid", "--fork", "--kill-child", "--root=" + root.string(),
                          "--mount-proc", "--");
    tool.argv.insert(tool.argv.end(), argv.begin(), argv.end());
    tool.environment.emplace_back("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    tool.environment.emplace_back("LC_ALL", "C");
    co_await run_logged(std::move(tool), log, purpose);
}

} // namespace xvsock::testbed
