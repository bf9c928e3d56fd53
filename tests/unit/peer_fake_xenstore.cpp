// SPDX-License-Identifier: MIT
#include "peer_fake_xenstore.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

extern "C" {
#include <xenstore.h>
}

struct xs_handle {
    std::mutex mutex;                                       ///< protects the two below, which two threads use
    std::set<std::pair<std::string, std::string>> watches;  ///< path, token
    std::deque<std::pair<std::string, std::string>> events; ///< likewise
    int event_fd = -1;                                      ///< readable while there are events

    xvsock::fake_xenstore::tree pending; ///< of the open transaction
    std::uint64_t started_at = 0;        ///< store().commits when it began
    bool in_transaction = false;
};

namespace xvsock::fake_xenstore {

namespace {

constexpr xs_transaction_t the_transaction = 7;

std::string parent_of(const std::string& path) {
    const auto end = path.rfind('/');
    return end == std::string::npos ? "" : path.substr(0, end);
}

std::recursive_mutex store_mutex; // taken before the others

/// Protects the store while a call is answered, after the delay.
class answer {
public:
    answer() {
        std::this_thread::sleep_for(delay.load());
        store_mutex.lock();
    }
    ~answer() { store_mutex.unlock(); }
    answer(const answer&) = delete;
    answer& operator=(const answer&) = delete;
};

/// The tree that a call sees.
tree& seen_by(xs_handle* handle, xs_transaction_t transaction) {
    return transaction == the_transaction && handle->in_transaction ? handle->pending : store().nodes;
}

bool fails(const char* path) {
    if (store().fail_error == 0 || store().fail_path != path)
        return false;
    errno = store().fail_error;
    return true;
}

/// New nodes take their parent's permissions.
node& make(tree& nodes, const std::string& path) {
    if (const auto found = nodes.find(path); found != nodes.end())
        return found->second;
    xenstore::permissions inherited{{0, xenstore::access::none}};
    if (!parent_of(path).empty())
        inherited = make(nodes, parent_of(path)).access;
    return nodes[path] = {"", inherited};
}

bool is_below(const std::string& path, const std::string& top) {
    return path == top || path.starts_with(top + "/");
}

std::mutex handles_mutex;
std::set<xs_handle*> handles; // under handles_mutex

/// Under handle.mutex.
void add_event(xs_handle& handle, const std::string& path, const std::string& token) {
    handle.events.emplace_back(path, token);
    eventfd_write(handle.event_fd, 1);
}

/// Tells the watches of all connections that a node has changed, or that it and what was below it is gone.
void changed(const std::string& path, bool is_gone = false) {
    const std::lock_guard lock(handles_mutex);
    for (xs_handle* const handle : handles) {
        const std::lock_guard inner(handle->mutex);
        for (const auto& [watched, token] : handle->watches)
            if (is_below(path, watched))
                add_event(*handle, path, token);
            else if (is_gone && is_below(watched, path))
                add_event(*handle, watched, token);
    }
}

} // namespace

std::atomic<int> connections = 0;
std::atomic<std::chrono::milliseconds> delay{};

state& store() {
    static state only;
    return only;
}

void reset() {
    store() = {};
    delay = std::chrono::milliseconds(0);
    put("/local/domain");
}

void put(const std::string& path, const std::string& value) {
    const std::lock_guard store_lock(store_mutex);
    make(store().nodes, path).value = value;
}

void remove(const std::string& path) {
    const std::lock_guard store_lock(store_mutex);
    std::erase_if(store().nodes, [&](const auto& one) { return is_below(one.first, path); });
    changed(path, true);
}

bool has(const std::string& path) {
    const std::lock_guard store_lock(store_mutex);
    return store().nodes.contains(path);
}

void add_domain(unsigned id, const std::string& name) {
    const std::lock_guard store_lock(store_mutex);
    const std::string home = "/local/domain/" + std::to_string(id);
    put(home + "/name", name);
    put(home + "/device");
    for (const char* path : {"", "/device"})
        store().nodes[home + path].access = xenstore::owned_by(0, {xenstore::domid(id)});
}

} // namespace xvsock::fake_xenstore

using namespace xvsock;
using namespace xvsock::fake_xenstore;

extern "C" {

xs_handle* xs_open(unsigned long) {
    const std::lock_guard store_lock(store_mutex);
    if ((errno = store().open_error) != 0)
        return nullptr;
    ++connections;
    auto* const handle = new xs_handle;
    handle->event_fd = eventfd(0, EFD_NONBLOCK);
    const std::lock_guard lock(handles_mutex);
    handles.insert(handle);
    return handle;
}

void xs_close(xs_handle* handle) {
    {
        const std::lock_guard lock(handles_mutex);
        handles.erase(handle);
    }
    close(handle->event_fd);
    delete handle;
    --connections;
}

int xs_fileno(xs_handle* handle) {
    return handle->event_fd;
}

bool xs_watch(xs_handle* handle, const char* path, const char* token) {
    std::this_thread::sleep_for(delay.load());
    if (fails(path))
        return false;
    const std::lock_guard lock(handle->mutex);
    handle->watches.insert({path, token});
    add_event(*handle, path, token); // as xenstored does
    return true;
}

bool xs_unwatch(xs_handle* handle, const char* path, const char* token) {
    const std::lock_guard lock(handle->mutex);
    return handle->watches.erase({path, token}) != 0;
}

char** xs_check_watch(xs_handle* handle) {
    const std::lock_guard lock(handle->mutex);
    if (handle->events.empty()) {
        errno = EAGAIN;
        return nullptr;
    }
    const auto [path, token] = handle->events.front();
    handle->events.pop_front();
    if (handle->events.empty()) {
        eventfd_t ignored = 0;
        eventfd_read(handle->event_fd, &ignored);
    }
    char** const block = static_cast<char**>(std::malloc(2 * sizeof(char*) + path.size() + token.size() + 2));
    block[XS_WATCH_PATH] = reinterpret_cast<char*>(block + 2);
    block[XS_WATCH_TOKEN] = stpcpy(block[XS_WATCH_PATH], path.c_str()) + 1;
    std::strcpy(block[XS_WATCH_TOKEN], token.c_str());
    return block;
}

void* xs_read(xs_handle* handle, xs_transaction_t transaction, const char* path, unsigned* length) {
    const answer call;
    const tree& nodes = seen_by(handle, transaction);
    const auto found = nodes.find(path);
    const auto& hidden = store().hidden;
    if (found == nodes.end() || path == hidden) {
        errno = !hidden.empty() && is_below(path, hidden) ? EACCES : ENOENT;
        return nullptr;
    }
    if (length != nullptr)
        *length = unsigned(found->second.value.size());
    return strdup(found->second.value.c_str());
}

bool xs_write(xs_handle* handle, xs_transaction_t transaction, const char* path, const void* data,
              unsigned length) {
    const answer call;
    if (store().before_write)
        store().before_write(path);
    tree& nodes = seen_by(handle, transaction);
    if (fails(path))
        return false;
    make(nodes, path).value.assign(static_cast<const char*>(data), length);
    if (transaction == 0)
        changed(path);
    return true;
}

bool xs_mkdir(xs_handle* handle, xs_transaction_t transaction, const char* path) {
    const answer call;
    tree& nodes = seen_by(handle, transaction);
    if (fails(path))
        return false;
    make(nodes, path);
    return true;
}

bool xs_rm(xs_handle* handle, xs_transaction_t transaction, const char* path) {
    const answer call;
    tree& nodes = seen_by(handle, transaction);
    if (fails(path))
        return false;
    std::erase_if(nodes, [&](const auto& one) { return is_below(one.first, path); });
    if (transaction == 0)
        changed(path, true);
    return true;
}

char** xs_directory(xs_handle* handle, xs_transaction_t transaction, const char* path, unsigned* count) {
    const answer call;
    const tree& nodes = seen_by(handle, transaction);
    if (!nodes.contains(path)) {
        errno = ENOENT;
        return nullptr;
    }
    const std::string top = std::string(path) + "/";
    std::set<std::string> names;
    for (const auto& [one, ignored] : nodes)
        if (one.starts_with(top))
            names.insert(one.substr(top.size(), one.find('/', top.size()) - top.size()));

    // One block, as libxenstore makes it: the pointers, then the names.
    std::size_t size = (names.size() + 1) * sizeof(char*);
    for (const std::string& name : names)
        size += name.size() + 1;
    char** block = static_cast<char**>(std::malloc(size));
    char* text = reinterpret_cast<char*>(block + names.size() + 1);
    *count = 0;
    for (const std::string& name : names) {
        block[(*count)++] = text;
        text = stpcpy(text, name.c_str()) + 1;
    }
    return block;
}

xs_permissions* xs_get_permissions(xs_handle* handle, xs_transaction_t transaction, const char* path,
                                   unsigned* count) {
    const answer call;
    const tree& nodes = seen_by(handle, transaction);
    const auto found = nodes.find(path);
    if (found == nodes.end()) {
        errno = ENOENT;
        return nullptr;
    }
    const auto& access = found->second.access;
    auto* list = static_cast<xs_permissions*>(std::calloc(access.size(), sizeof(xs_permissions)));
    for (std::size_t i = 0; i < access.size(); ++i) {
        list[i].id = access[i].domain;
        list[i].perms = unsigned(access[i].granted);
    }
    *count = unsigned(access.size());
    return list;
}

bool xs_set_permissions(xs_handle* handle, xs_transaction_t transaction, const char* path,
                        xs_permissions* list, unsigned count) {
    const answer call;
    tree& nodes = seen_by(handle, transaction);
    if (fails(path))
        return false;
    xenstore::permissions access;
    for (unsigned i = 0; i < count; ++i)
        access.push_back({xenstore::domid(list[i].id), xenstore::access(list[i].perms)});
    nodes.at(path).access = access;
    return true;
}

bool xs_is_domain_introduced(xs_handle*, unsigned domain) {
    const answer call;
    if (fails(("domain " + std::to_string(domain)).c_str()))
        return false;
    return !store().gone.contains(domain) &&
           store().nodes.contains("/local/domain/" + std::to_string(domain));
}

xs_transaction_t xs_transaction_start(xs_handle* handle) {
    const std::lock_guard store_lock(store_mutex);
    handle->pending = store().nodes;
    handle->started_at = store().commits;
    handle->in_transaction = true;
    return the_transaction;
}

bool xs_transaction_end(xs_handle* handle, xs_transaction_t, bool abandon) {
    const std::lock_guard store_lock(store_mutex);
    handle->in_transaction = false;
    if (abandon)
        return true;
    if (store().conflicts > 0 || handle->started_at != store().commits) {
        --store().conflicts;
        errno = EAGAIN;
        return false;
    }
    const tree before = std::exchange(store().nodes, handle->pending);
    ++store().commits;
    for (const auto& [path, one] : store().nodes)
        if (const auto old = before.find(path); old == before.end() || old->second != one)
            changed(path);
    return true;
}

} // extern "C"
