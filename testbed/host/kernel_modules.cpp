// SPDX-License-Identifier: MIT
#include "host/kernel_modules.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/child_process.hpp"
#include "host/cpio.hpp"
#include "host/failure.hpp"
#include "host/kernel_image.hpp"
#include "host/root_builder.hpp"
#include "host/tool.hpp"

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace xvsock::testbed {

namespace {

// "kernel/net/vmw_vsock/vsock.ko.xz" is "vsock"; the kernel takes - and _ for the same.
std::string module_name(const std::string& path) {
    auto name = path.substr(path.rfind('/') + 1);
    name = name.substr(0, name.find(".ko"));
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

// Without what its compression adds.
std::string plain_name(const std::string& path) {
    return path.substr(0, path.rfind(".ko") + 3);
}

struct module_entry {
    std::string path;
    std::vector<std::string> dependencies; // paths, complete
};

// modules.dep: "path: path path", each line with all that the module needs, directly or not.
std::map<std::string, module_entry> read_dependencies(const fs::path& file) {
    std::map<std::string, module_entry> modules;
    std::istringstream lines(read_file(file));
    for (std::string line; std::getline(lines, line);) {
        const auto colon = line.find(':');
        module_entry entry{line.substr(0, colon), {}};
        std::istringstream words(line.substr(colon + 1));
        for (std::string word; words >> word;)
            entry.dependencies.push_back(word);
        modules[module_name(entry.path)] = std::move(entry);
    }
    return modules;
}

std::set<std::string> read_builtin(const fs::path& file) {
    std::set<std::string> names;
    std::istringstream lines(read_file(file));
    for (std::string line; std::getline(lines, line);)
        names.insert(module_name(line));
    return names;
}

} // namespace

std::string kernel_release(const fs::path& root) {
    std::vector<std::string> releases;
    if (fs::exists(root / "usr/lib/modules"))
        for (const auto& entry : fs::directory_iterator(root / "usr/lib/modules"))
            releases.push_back(entry.path().filename().string());
    if (releases.size() != 1)
        throw failure(exit_environment, fmt::format("the kernel package holds {} kernels: {}",
                                                    releases.size(), fmt::join(releases, " ")));
    return releases.front();
}

fs::path kernel_file(const fs::path& root, const std::string& release) {
    for (const auto& place :
         {root / "boot" / ("vmlinuz-" + release), root / "usr/lib/modules" / release / "vmlinuz"})
        if (fs::exists(place))
            return place;
    throw failure(exit_environment, fmt::format("no kernel file for {} in its package", release));
}

asio::awaitable<void> select_modules(fs::path root, std::string release, std::vector<std::string> names,
                                     fs::path archive) {
    const auto log = archive.string() + ".log";
    const auto source = root / "usr/lib/modules" / release;
    co_await run_in_root(root, word_list("depmod", release), log);
    const auto modules = read_dependencies(source / "modules.dep");
    const auto builtin = read_builtin(source / "modules.builtin");

    std::set<std::string> paths;
    for (auto name : names) {
        std::replace(name.begin(), name.end(), '-', '_');
        const auto found = modules.find(name);
        if (found != modules.end()) {
            paths.insert(found->second.path);
            paths.insert(found->second.dependencies.begin(), found->second.dependencies.end());
        } else if (!builtin.contains(name)) {
            throw failure(exit_usage, fmt::format("the kernel {} has no module {}", release, name));
        }
    }

    const auto chosen = fs::path("chosen/lib/modules") / release;
    for (const auto& path : paths) {
        // Decompressed here, once: neither process 1 nor every busybox can.
        const auto target = root / chosen / plain_name(path);
        fs::create_directories(target.parent_path());
        if (target.filename() == fs::path(path).filename())
            fs::copy_file(source / path, target);
        else
            co_await decompress(source / path, target);
    }
    for (const auto* index : {"modules.builtin", "modules.builtin.modinfo", "modules.order"})
        if (fs::exists(source / index))
            fs::copy_file(source / index, root / chosen / index);
    co_await run_in_root(root, word_list("depmod", "-b", "/chosen", release), log);

    cpio_writer writer(archive);
    const std::string target = "usr/lib/modules/" + release + "/";
    writer.add_parents(target);
    writer.add_tree(root / chosen, target);
    writer.finish();
    fs::remove(log);
}

} // namespace xvsock::testbed
