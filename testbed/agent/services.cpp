// SPDX-License-Identifier: MIT
#include "agent/services.hpp"

#include <cstdlib>
#include <filesystem>
#include <spawn.h>
#include <stdexcept>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "agent/store.hpp"
#include "agent/system.hpp"
#include "common/child_process.hpp"
#include "common/plan.hpp"

namespace fs = std::filesystem;

namespace xvsock::testbed {

namespace {

constexpr const char* bridge = "br0";

// Debian keeps the tools of each Xen version in a folder of its own.
fs::path xen_tools() {
    for (const auto& entry : fs::directory_iterator("/usr/lib"))
        if (entry.path().filename().string().starts_with("xen-") &&
            fs::exists(entry.path() / "bin/xenstored"))
            return entry.path() / "bin";
    throw std::runtime_error("dom0's image has no xenstored");
}

// Runs a program that ends or becomes a daemon.
void run(std::vector<std::string> words) {
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (auto& word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_t pid = 0;
    if (const int error = ::posix_spawn(&pid, argv[0], nullptr, nullptr, argv.data(), environ); error != 0)
        throw std::system_error(error, std::generic_category(), words.front());
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (status != 0)
        throw std::runtime_error(fmt::format("{}: {}", words.front(), describe_status(status)));
}

void set_host_name(const std::string& name) {
    if (::sethostname(name.c_str(), name.size()) != 0)
        throw std::system_error(errno, std::generic_category(), "sethostname");
}

} // namespace

void start_dom0_services() {
    for (const auto* module : {"virtio_pci", "virtio_console", "xenfs", "xen-evtchn", "xen-gntdev",
                               "xen-gntalloc", "xen-privcmd", "xen-netback", "bridge"})
        load_kernel_module(module);
    mount_xenfs();
    set_host_name("dom0");
    set_up_interface("lo");
    add_bridge(bridge);
    set_up_interface(bridge, dom0_address);
    const auto tools = xen_tools();
    // Their pid files are where Debian's /etc/init.d/xen looks, so that it starts no others under systemd.
    run({tools / "xenstored", "--pid-file", "/run/xenstore.pid"});
    run({tools / "xen-init-dom0"});
    run({tools / "xenconsoled", "--pid-file=/run/xenconsoled.pid", "--log=guest",
         "--log-dir=/var/log/xen/console"});
}

void start_guest_services(const std::string& name) {
    for (const auto* module : {"xenfs", "xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-netfront"})
        load_kernel_module(module);
    mount_xenfs();
    set_host_name(name);
    set_up_interface("lo");
    set_up_interface("eth0", boot_parameter("tb.ip"));
}

std::string load_xen_vsock(const std::string& options) {
    try {
        load_kernel_module("vsock");
        load_module_file(std::string(plan_folder) + "/xen_vsock.ko", options);
        return {};
    } catch (const std::exception& error) {
        return error.what();
    }
}

int connect_vif(const std::string& action) {
    const char* interface = std::getenv("vif");
    const char* node = std::getenv("XENBUS_PATH");
    if (action != "online" || interface == nullptr || node == nullptr)
        return EXIT_SUCCESS; // nothing to do when the interface goes
    boost::asio::io_context context;
    store xenstore(context.get_executor());
    try {
        add_to_bridge(bridge, interface);
        set_up_interface(interface);
        xenstore.write(fmt::format("{}/hotplug-status", node), "connected");
        return EXIT_SUCCESS;
    } catch (const std::exception& error) {
        xenstore.write(fmt::format("{}/hotplug-error", node), error.what());
        return EXIT_FAILURE;
    }
}

} // namespace xvsock::testbed
