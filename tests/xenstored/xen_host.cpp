// SPDX-License-Identifier: MIT
#include "xen_host.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {
#include <xenstore.h>
}

namespace xvsock::xenstored_test {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

void require(bool good, const std::string& what) {
    if (!good)
        throw std::system_error(errno, std::generic_category(), what);
}

fs::path find_below(const fs::path& folder, const std::string& name) {
    for (const auto& entry : fs::recursive_directory_iterator(folder))
        if (entry.path().filename() == name && entry.is_regular_file())
            return entry.path();
    throw std::runtime_error("there is no " + name + " below " + folder.string());
}

std::string home_of(unsigned id) {
    return fmt::format("/local/domain/{}", id);
}

} // namespace

xen_host::xen_host() {
    const char* const packages = std::getenv("XENSTORED_PACKAGES");
    if (!packages)
        throw std::runtime_error("XENSTORED_PACKAGES is not set: run it by tests/xenstored/run.sh");
    const fs::path root = fs::path(packages) / "root";
    std::string name = (fs::temp_directory_path() / "xenstored-XXXXXX").string();
    require(mkdtemp(name.data()), "make a folder");
    folder_ = name;
    fs::create_directories(folder_ + "/domains");
    require(mkfifo((folder_ + "/events").c_str(), 0600) == 0, "make a FIFO");

    // With the libraries that it was built for, whatever this machine's are.
    const auto loader = find_below(root, "ld-linux-x86-64.so.2"), program = find_below(root, "xenstored");
    const std::string libraries = fmt::format("{}:{}", (root / "lib/x86_64-linux-gnu").string(),
                                              (root / "usr/lib/x86_64-linux-gnu").string());
    xenstored_ = fork();
    if (xenstored_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        unsetenv("XENSTORED_PATH"); // of the one before
        setenv("XENSTORED_HOST", folder_.c_str(), 1);
        setenv("XENSTORED_RUNDIR", folder_.c_str(), 1);
        setenv("XENSTORED_ROOTDIR", folder_.c_str(), 1);
        execl(loader.c_str(), loader.c_str(), "--library-path", libraries.c_str(), "--preload",
              XENSTORED_SHIM, program.c_str(), "-N", nullptr);
        _exit(127);
    }
    setenv("XENSTORED_PATH", (folder_ + "/socket").c_str(), 1);
    for (int i = 0; i < 500 && !store_; ++i) {
        store_ = xs_open(0);
        if (!store_)
            std::this_thread::sleep_for(10ms);
    }
    require(store_, "connect to xenstored");
    events_ = open((folder_ + "/events").c_str(), O_RDWR | O_CLOEXEC);
    write("/local/domain/0/domid", "0");
    write("/local/domain/0/name", "Domain-0");
    write("/local/domain/0/backend", ""); // of its other devices
}

xen_host::~xen_host() {
    if (store_)
        xs_close(store_);
    if (xenstored_ > 0) {
        kill(xenstored_, SIGKILL);
        waitpid(xenstored_, nullptr, 0);
    }
    if (events_ >= 0)
        close(events_);
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

void xen_host::set_permissions(const std::string& path, unsigned owner, unsigned reader) {
    xs_permissions list[] = {{.id = owner, .perms = XS_PERM_NONE}, {.id = reader, .perms = XS_PERM_READ}};
    require(xs_set_permissions(store_, transaction_, path.c_str(), list, 2), "set permissions of " + path);
}

void xen_host::start_domain(unsigned id, const std::string& name, const std::string& uuid) {
    std::ofstream(fmt::format("{}/domains/{}", folder_, id));
    const std::string home = home_of(id), vm = "/vm/" + uuid;
    do { // its home is there with what says whose it is, or not at all
        transaction_ = xs_transaction_start(store_);
        write(vm + "/uuid", uuid);
        write(vm + "/name", name);
        write(home, "");
        set_permissions(home, 0, id);
        write(home + "/vm", vm);
        write(home + "/domid", fmt::format("{}", id));
        write(home + "/name", name);
        write(home + "/device", "");
        write(home + "/data", "");
        set_permissions(home + "/data", id, 0);
    } while (!xs_transaction_end(store_, std::exchange(transaction_, 0), false));
    require(xs_introduce_domain(store_, id, 1, 1), fmt::format("introduce domain {}", id));
}

void xen_host::lose_domain(unsigned id) {
    fs::remove(fmt::format("{}/domains/{}", folder_, id));
    require(::write(events_, "x", 1) == 1, "raise VIRQ_DOM_EXC");
}

void xen_host::destroy_domain(unsigned id) {
    remove(read(home_of(id) + "/vm"));
    remove(home_of(id));
    lose_domain(id);
}

void xen_host::rename_domain(unsigned id, const std::string& name) {
    write(home_of(id) + "/name", name);
}

void xen_host::write(const std::string& path, const std::string& value) {
    require(xs_write(store_, transaction_, path.c_str(), value.data(), unsigned(value.size())),
            "write " + path);
}

std::string xen_host::read(const std::string& path) {
    unsigned length = 0;
    const std::unique_ptr<char, decltype(&std::free)> value(
        static_cast<char*>(xs_read(store_, XBT_NULL, path.c_str(), &length)), &std::free);
    return value ? std::string(value.get(), length) : "";
}

bool xen_host::exists(const std::string& path) {
    unsigned length = 0;
    void* const value = xs_read(store_, XBT_NULL, path.c_str(), &length);
    std::free(value);
    return value != nullptr;
}

void xen_host::remove(const std::string& path) {
    require(xs_rm(store_, XBT_NULL, path.c_str()) || errno == ENOENT, "remove " + path);
}

void xen_host::add(tree& nodes, const std::string& path, unsigned transaction) {
    unsigned length = 0, count = 0;
    const std::unique_ptr<char, decltype(&std::free)> value(
        static_cast<char*>(xs_read(store_, transaction, path.c_str(), &length)), &std::free);
    const std::unique_ptr<xs_permissions, decltype(&std::free)> access(
        xs_get_permissions(store_, transaction, path.c_str(), &count), &std::free);
    if (!value || !access)
        return;
    std::string text = fmt::format("{} (", std::string(value.get(), length));
    for (unsigned i = 0; i < count; ++i)
        text += fmt::format("{}{}{}", i ? " " : "", "nrwb"[access.get()[i].perms & 3], access.get()[i].id);
    nodes[path] = text + ")";
    const std::unique_ptr<char*, decltype(&std::free)> children(
        xs_directory(store_, transaction, path.c_str(), &count), &std::free);
    for (unsigned i = 0; children && i < count; ++i)
        add(nodes, path + "/" + children.get()[i], transaction);
}

tree xen_host::dump(const std::string& path) {
    tree nodes;
    // In a transaction, so that it is the tree of one moment.
    const auto transaction = xs_transaction_start(store_);
    require(transaction != XBT_NULL, "start a transaction");
    add(nodes, path, transaction);
    xs_transaction_end(store_, transaction, true);
    return nodes;
}

} // namespace xvsock::xenstored_test
