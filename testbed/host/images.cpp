// SPDX-License-Identifier: MIT
#include "host/images.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <optional>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/argo_xen.hpp"
#include "host/cpio.hpp"
#include "host/debug_kernel.hpp"
#include "host/failure.hpp"
#include "host/kernel_image.hpp"
#include "host/kernel_modules.hpp"
#include "host/root_builder.hpp"
#include "host/suites.hpp"
#include "host/tool.hpp"

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace xvsock::testbed {

namespace {

// Counts up when the way images are made changes, so that old cache entries are no longer taken.
constexpr int recipe_version = 6;

const std::vector<std::string>& common_packages() {
    // Small, because every guest unpacks it: busybox stands in for all commands that no package brings.
    static const std::vector<std::string> names{"base-files", "bash", "busybox",
                                                "coreutils",  "dash", "netbase",
                                                "libstdc++6", "tar",  "xenstore-utils"};
    return names;
}

const std::vector<std::string>& common_modules() {
    static const std::vector<std::string> names{
        "xenfs",       "xen-evtchn",     "xen-gntdev", "xen-gntalloc", "xen-privcmd",
        "xen-netback", "xen-netfront",   "bridge",     "virtio_pci",   "virtio_console",
        "vsock",       "vsock_loopback", "vsock_diag"};
    return names;
}

std::vector<std::string> sorted(std::vector<std::string> names) {
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
}

std::vector<std::string> join(const std::vector<std::string>& a, std::vector<std::string> b) {
    b.insert(b.end(), a.begin(), a.end());
    return sorted(std::move(b));
}

// Left out of every image: what no program in a test reads.
bool unneeded(const std::string& path) {
    static constexpr std::array<std::string_view, 16> folders{"usr/share/doc",
                                                              "usr/share/man",
                                                              "usr/share/locale",
                                                              "usr/share/info",
                                                              "usr/share/lintian",
                                                              "usr/share/bash-completion",
                                                              "usr/share/common-licenses",
                                                              "usr/share/i18n",
                                                              "usr/lib/x86_64-linux-gnu/gconv",
                                                              "usr/lib/udev/hwdb.d",
                                                              "var/lib/apt",
                                                              "var/cache",
                                                              "var/lib/dpkg/info",
                                                              "var/log",
                                                              "boot",
                                                              "dev"};
    return std::find(folders.begin(), folders.end(), path) != folders.end() ||
           path.ends_with("/boot/xen-shim");
}

asio::awaitable<void> make_archive(fs::path root, fs::path file) {
    cpio_writer archive(file);
    archive.add_tree(root, "", unneeded);
    archive.add_folder("dev");
    archive.add_folder("var/log");
    archive.add_device("dev/console", 5, 1, 0600);
    archive.add_device("dev/null", 1, 3, 0666);
    archive.finish();
    fs::remove_all(root);
    co_return;
}

asio::awaitable<void> build_kernel(fs::path folder, std::string suite, std::vector<std::string> modules) {
    const auto root = folder / "root";
    root_description description;
    description.suite = suite;
    // liblzma5: without it, depmod of newer suites finds no dependency in a compressed module, and says
    // nothing.
    description.packages = word_list("base-files", "kmod", "liblzma5", "linux-image-amd64");
    co_await build_root(std::move(description), root, folder.parent_path() / "logs");
    const auto release = kernel_release(root);
    co_await extract_vmlinux(kernel_file(root, release), folder / "vmlinux");
    co_await select_modules(root, release, modules, folder / "modules.cpio");
    write_file(folder / "release", release);
    fs::remove_all(root);
}

asio::awaitable<void> build_dom0(fs::path folder, image_suite suite, std::vector<std::string> packages,
                                 bool configured) {
    const auto root = folder / "root";
    root_description description{suite.userland, packages, configured};
    co_await build_root(std::move(description), root, folder.parent_path() / "logs");
    co_await decompress(root / fmt::format("boot/xen-{}-amd64.gz", suite.xen), folder / "xen");
    co_await make_archive(root, folder / "archive.cpio");
}

asio::awaitable<void> build_guest(fs::path folder, image_suite suite, std::vector<std::string> packages,
                                  bool configured) {
    const auto root = folder / "root";
    root_description description{suite.userland, packages, configured};
    co_await build_root(std::move(description), root, folder.parent_path() / "logs");
    co_await make_archive(root, folder / "archive.cpio");
    // Compressed, so that a guest of 128 MiB can hold the archive and what comes out of it at the same time.
    co_await compress_archive(folder / "archive.cpio", folder / "archive.cpio.zst");
    fs::remove(folder / "archive.cpio");
}

std::string recipe(const std::string& suite, const std::vector<std::string>& parts, bool configured) {
    return fmt::format("version {}\nsuite {}\nconfigured {}\n{}\n", recipe_version, suite, configured,
                       fmt::join(parts, "\n"));
}

// When two go on side by side and one fails, the other one is cancelled: remembers which failure was the
// cause.
template <typename Result>
asio::awaitable<Result> remembering(std::exception_ptr& first, asio::awaitable<Result> work) {
    try {
        co_return co_await std::move(work);
    } catch (...) {
        if (!first)
            first = std::current_exception();
        throw;
    }
}

// Says when a build starts and how long it took.
image_cache::builder told(const progress& tell, std::string name, image_cache::builder build) {
    return
        [&tell, name = std::move(name), build = std::move(build)](fs::path folder) -> asio::awaitable<void> {
            tell.say("building " + name);
            const auto start = tell.seconds();
            co_await build(folder);
            tell.say(fmt::format("built {} in {:.1f} s", name, tell.seconds() - start));
        };
}

// The kernel of a suite, or the debug kernel, which is the same for all.
asio::awaitable<fs::path> kernel_entry(std::string kernel, std::string suite,
                                       std::vector<std::string> more_modules, image_cache& cache,
                                       const progress& tell) {
    const auto modules = join(common_modules(), std::move(more_modules));
    if (kernel == debug_kernel)
        co_return co_await obtain_debug_kernel(modules, cache, tell);
    // Named, because g++ 12 destroys a closure twice that is a temporary of a co_await expression.
    const image_cache::builder make = told(tell, "the kernel", [&suite, &modules](fs::path folder) {
        return build_kernel(std::move(folder), suite, modules);
    });
    co_return co_await cache.obtain("kernel-" + suite, recipe(suite, modules, false), make);
}

} // namespace

asio::awaitable<debug_build> debug_kernel_build(image_cache& cache, const progress& tell) {
    const auto entry = co_await kernel_entry(debug_kernel, {}, {}, cache, tell);
    co_return debug_build{entry / "tree", read_file(entry / "release")};
}

asio::awaitable<std::string> image_kernel_release(std::string suite, image_cache& cache,
                                                  const progress& tell) {
    const auto entry = co_await kernel_entry(suite_kernel, image_suite_named(suite).kernel, {}, cache, tell);
    co_return read_file(entry / "release");
}

asio::awaitable<boot_images> obtain_images(const scenario& what, image_cache& cache, const progress& tell) {
    using namespace asio::experimental::awaitable_operators;
    const auto& suite = image_suite_named(what.suite);
    const auto dom0_packages =
        join(common_packages(),
             join(what.dom0_packages, {"xen-hypervisor-" + suite.xen + "-amd64", "xen-utils-" + suite.xen}));
    const auto guest_packages = join(common_packages(), what.packages);

    const image_cache::builder make_dom0 = told(tell, "dom0's image", [&](fs::path folder) {
        return build_dom0(std::move(folder), suite, dom0_packages, what.configured);
    });
    const image_cache::builder make_guest = told(tell, "the guests' image", [&](fs::path folder) {
        return build_guest(std::move(folder), suite, guest_packages, what.configured);
    });
    const auto programs = [&]() -> asio::awaitable<std::pair<fs::path, fs::path>> {
        auto dom0 = co_await cache.obtain("dom0-" + suite.name,
                                          recipe(suite.userland, dom0_packages, what.configured), make_dom0);
        auto guest = co_await cache.obtain(
            "guest-" + suite.name, recipe(suite.userland, guest_packages, what.configured), make_guest);
        co_return std::pair{dom0, guest};
    };
    // Two at a time: downloads and unpacking overlap, two cores are not overrun.
    std::exception_ptr cause;
    std::optional<std::tuple<fs::path, std::pair<fs::path, fs::path>>> built;
    try {
        built = co_await (
            remembering(cause, kernel_entry(what.kernel, suite.kernel, what.kernel_modules, cache, tell)) &&
            remembering(cause, programs()));
    } catch (const asio::multiple_exceptions&) {
        std::rethrow_exception(cause);
    }
    const auto& [kernel, userland] = *built;
    auto xen = userland.first / "xen";
    if (what.hypervisor == argo_hypervisor)
        xen = co_await obtain_argo_xen(cache, tell);
    co_return boot_images{xen,
                          kernel / "vmlinux",
                          kernel / "modules.cpio",
                          userland.first / "archive.cpio",
                          userland.second / "archive.cpio.zst",
                          read_file(kernel / "release")};
}

} // namespace xvsock::testbed
