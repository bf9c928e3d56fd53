// SPDX-License-Identifier: MIT
#include "agent/system.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <linux/sockios.h>
#include <net/if.h>
#include <sstream>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

namespace fs = std::filesystem;

namespace xvsock::testbed {

namespace {

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

void mount_one(const char* type, const char* where) {
    fs::create_directories(where);
    if (::mount(type, where, type, 0, nullptr) != 0 && errno != EBUSY)
        fail(fmt::format("mount {}", where));
}

// "kernel/net/vmw_vsock/vsock.ko" is "vsock"; the kernel takes - and _ for the same.
std::string module_name(const std::string& path) {
    auto name = fs::path(path).filename().string();
    name = name.substr(0, name.find(".ko"));
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

// A socket to configure interfaces through.
class interface_control {
public:
    interface_control() : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
    interface_control(const interface_control&) = delete;
    interface_control& operator=(const interface_control&) = delete;
    ~interface_control() { ::close(fd_); }

    bool call(unsigned long request, void* argument) { return ::ioctl(fd_, request, argument) == 0; }

private:
    int fd_;
};

ifreq request_for(const std::string& name) {
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    return request;
}

void set_address(interface_control& control, unsigned long request_code, const std::string& name,
                 const std::string& text) {
    auto request = request_for(name);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    ::inet_pton(AF_INET, text.c_str(), &address.sin_addr);
    std::memcpy(&request.ifr_addr, &address, sizeof address);
    if (!control.call(request_code, &request))
        fail(fmt::format("address {} of {}", text, name));
}

constexpr const char* systemd = "/usr/lib/systemd/systemd";
constexpr int hand_over = SIGUSR1; // from the role to process 1
bool handed_over = false;          // in the role's process

[[noreturn]] void power_off(int status) {
    if (status != 0)
        fmt::print("testbed: the agent ended: wait status {:#x}\n", status);
    std::fflush(stdout);
    ::sync();
    ::reboot(RB_POWER_OFF);
    std::abort();
}

} // namespace

void mount_all() {
    ::setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
    ::setenv("HOME", "/root", 1);
    ::setenv("TERM", "linux", 1);
    mount_one("proc", "/proc");
    mount_one("sysfs", "/sys");
    mount_one("devtmpfs", "/dev");
    mount_one("devpts", "/dev/pts");
    for (const auto* folder : {"/dev/shm", "/run", "/tmp"})
        mount_one("tmpfs", folder);
    ::chmod("/tmp", 01777);
    if (!fs::is_symlink("/var/run")) { // a maintainer script would have made it one
        fs::remove_all("/var/run");
        fs::create_directory_symlink("/run", "/var/run");
    }
    for (const auto* folder : {"/results", "/run/lock", "/run/xen", "/run/xenstored", "/var/lib/xen",
                               "/var/lib/xenstored", "/var/log/xen/console"})
        fs::create_directories(folder);
    const int console = ::open("/dev/console", O_RDWR | O_NOCTTY);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        ::dup2(console, fd);
    if (console > STDERR_FILENO)
        ::close(console);
    // Boot messages below a warning were not printed, that takes time; from here on all are.
    constexpr int set_console_level = 8;
    constexpr int everything = 8;
    ::klogctl(set_console_level, nullptr, everything);
}

void load_module_file(const std::string& file, const std::string& options) {
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail(file);
    const auto result = ::syscall(SYS_finit_module, fd, options.c_str(), 0);
    const int error = errno;
    ::close(fd);
    errno = error;
    if (result != 0 && error != EEXIST)
        fail(fmt::format("cannot load {}", file));
}

void load_kernel_module(const std::string& name) {
    utsname kernel{};
    ::uname(&kernel);
    const auto folder = fmt::format("/usr/lib/modules/{}/", kernel.release);
    std::ifstream index(folder + "modules.dep");
    for (std::string line; std::getline(index, line);) {
        const auto path = line.substr(0, line.find(':'));
        if (module_name(path) != module_name(name))
            continue;
        // What comes later in the line is needed by what comes before.
        std::istringstream words(line.substr(path.size() + 1));
        std::vector<std::string> files{path};
        for (std::string word; words >> word;)
            files.push_back(word);
        for (auto file = files.rbegin(); file != files.rend(); ++file)
            load_module_file(folder + *file);
        return;
    }
    // A module that is built in has no line.
}

void mount_xenfs() {
    mount_one("xenfs", "/proc/xen");
}

std::string boot_parameter(const std::string& key) {
    std::ifstream line("/proc/cmdline");
    for (std::string word; line >> word;)
        if (word.starts_with(key + "="))
            return word.substr(key.size() + 1);
    return {};
}

void set_up_interface(const std::string& name, const std::string& address) {
    using namespace std::chrono_literals;
    interface_control control;
    auto request = request_for(name);
    // The frontend makes its interface some time after its module is loaded, and tells no one who is not
    // udev.
    for (int attempt = 0; !control.call(SIOCGIFFLAGS, &request); ++attempt) {
        if (attempt == 1000)
            fail(name);
        std::this_thread::sleep_for(10ms);
    }
    if (!address.empty()) {
        set_address(control, SIOCSIFADDR, name, address);
        set_address(control, SIOCSIFNETMASK, name, "255.255.255.0");
        control.call(SIOCGIFFLAGS, &request);
    }
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    if (!control.call(SIOCSIFFLAGS, &request))
        fail(name);
}

void add_bridge(const std::string& name) {
    interface_control control;
    auto text = name;
    if (!control.call(SIOCBRADDBR, text.data()))
        fail(name);
}

void add_to_bridge(const std::string& bridge, const std::string& interface) {
    interface_control control;
    auto request = request_for(bridge);
    request.ifr_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
    if (!control.call(SIOCBRADDIF, &request))
        fail(fmt::format("{} in {}", interface, bridge));
}

void be_init(int (*role)()) {
    // Taken by sigwait(), so that none comes between a look and a sleep.
    sigset_t awaited;
    sigset_t before;
    ::sigemptyset(&awaited);
    ::sigaddset(&awaited, SIGCHLD);
    ::sigaddset(&awaited, hand_over);
    ::sigprocmask(SIG_BLOCK, &awaited, &before);
    const pid_t child = ::fork();
    if (child == 0) {
        ::sigprocmask(SIG_SETMASK, &before, nullptr);
        const int status = role();
        if (!handed_over)
            std::exit(status);
        power_off(status);
    }
    int status = 0;
    for (pid_t ended = 0; ended != child;) {
        int signal = 0;
        ::sigwait(&awaited, &signal);
        if (signal == hand_over) {
            ::sigprocmask(SIG_SETMASK, &before, nullptr);
            ::execl(systemd, systemd, nullptr);
            fmt::print("testbed: {} does not start: {}; is it among the packages?\n", systemd,
                       std::strerror(errno));
            ::sigprocmask(SIG_BLOCK, &awaited, nullptr);
        }
        while (ended != child && (ended = ::waitpid(-1, &status, WNOHANG)) > 0) {
        }
    }
    power_off(status);
}

void let_systemd_be_init() {
    handed_over = true;
    ::kill(1, hand_over);
}

} // namespace xvsock::testbed
