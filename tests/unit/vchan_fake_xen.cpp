// SPDX-License-Identifier: MIT
#include "vchan_fake_xen.hpp"

#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

extern "C" {
#include <xenevtchn.h>
#include <xengnttab.h>
}

namespace {

constexpr std::size_t page_size = 4096;

/// Pages as two mappings see them.
struct memory {
    explicit memory(std::size_t pages) : fd(memfd_create("pages", 0)) {
        if (ftruncate(fd, static_cast<off_t>(pages * page_size)) != 0)
            std::abort();
    }
    ~memory() { close(fd); }
    memory(const memory&) = delete;
    memory& operator=(const memory&) = delete;
    int fd;
};

struct grant {
    std::shared_ptr<memory> pages;
    std::size_t index;
    const void* owner;
};

/// What happens when the page is no longer mapped.
struct notice {
    std::size_t offset;
    evtchn_port_t port;
};

struct channel {
    xenevtchn_handle* owner;
    evtchn_port_t peer; ///< 0: nobody
};

std::mutex world; // protects all of these
std::map<std::uint32_t, grant> all_grants;
std::map<evtchn_port_t, channel> channels;
std::map<void*, notice> notices;
std::uint32_t last_reference = 8;
evtchn_port_t last_port = 0;

} // namespace

struct xenevtchn_handle {
    int fd = -1;
    evtchn_port_t port = 0;
};
struct xengntdev_handle {};

namespace {

void notify_from(evtchn_port_t port) {
    const auto from = channels.find(port);
    if (from == channels.end())
        return;
    const auto to = channels.find(from->second.peer);
    if (to != channels.end())
        eventfd_write(to->second.owner->fd, 1);
}

void unmapped(void* page) {
    const auto found = notices.find(page);
    if (found == notices.end())
        return;
    static_cast<volatile char*>(page)[found->second.offset] = 0;
    notify_from(found->second.port);
    notices.erase(found);
}

void* map(std::size_t count, const std::uint32_t* references, int protection) {
    auto* const start =
        static_cast<char*>(mmap(nullptr, count * page_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (std::size_t i = 0; i < count; ++i) {
        const auto found = all_grants.find(references[i]);
        if (found == all_grants.end()) {
            munmap(start, count * page_size);
            errno = EINVAL;
            return nullptr;
        }
        mmap(start + i * page_size, page_size, protection, MAP_SHARED | MAP_FIXED, found->second.pages->fd,
             static_cast<off_t>(found->second.index * page_size));
    }
    return start;
}

} // namespace

namespace xvsock::fake_xen {

failures failing;

std::size_t event_channels() {
    const std::lock_guard lock(world);
    return channels.size();
}

std::size_t grants() {
    const std::lock_guard lock(world);
    return all_grants.size();
}

} // namespace xvsock::fake_xen

using xvsock::fake_xen::failing;

extern "C" {

xenevtchn_handle* xenevtchn_open(xentoollog_logger*, unsigned) {
    if ((errno = failing.open_events) != 0)
        return nullptr;
    return new xenevtchn_handle{eventfd(0, 0)};
}

int xenevtchn_close(xenevtchn_handle* handle) {
    const std::lock_guard lock(world);
    if (const auto own = channels.find(handle->port); own != channels.end()) {
        if (const auto peer = channels.find(own->second.peer); peer != channels.end())
            peer->second.peer = 0;
        channels.erase(own);
    }
    close(handle->fd);
    delete handle;
    return 0;
}

int xenevtchn_fd(xenevtchn_handle* handle) {
    return handle->fd;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle* handle, std::uint32_t) {
    const std::lock_guard lock(world);
    handle->port = ++last_port;
    channels[handle->port] = {handle, 0};
    return static_cast<xenevtchn_port_or_error_t>(handle->port);
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle* handle, std::uint32_t,
                                                     evtchn_port_t remote) {
    if ((errno = failing.any_domain) != 0)
        return -1;
    const std::lock_guard lock(world);
    const auto peer = channels.find(remote);
    if (peer == channels.end() || peer->second.peer != 0) {
        errno = EINVAL;
        return -1;
    }
    handle->port = ++last_port;
    peer->second.peer = handle->port;
    channels[handle->port] = {handle, remote};
    return static_cast<xenevtchn_port_or_error_t>(handle->port);
}

int xenevtchn_unbind(xenevtchn_handle*, evtchn_port_t) {
    return 0;
}

int xenevtchn_notify(xenevtchn_handle*, evtchn_port_t port) {
    const std::lock_guard lock(world);
    notify_from(port);
    return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle* handle) {
    eventfd_t ignored = 0;
    if (eventfd_read(handle->fd, &ignored) != 0)
        return -1;
    return static_cast<xenevtchn_port_or_error_t>(handle->port);
}

int xenevtchn_unmask(xenevtchn_handle*, evtchn_port_t) {
    return 0;
}

xengntshr_handle* xengntshr_open(xentoollog_logger*, unsigned) {
    if ((errno = failing.open_grants) != 0)
        return nullptr;
    return reinterpret_cast<xengntshr_handle*>(new xengntdev_handle);
}

int xengntshr_close(xengntshr_handle* handle) {
    const std::lock_guard lock(world);
    std::erase_if(all_grants, [&](const auto& one) { return one.second.owner == handle; });
    delete reinterpret_cast<xengntdev_handle*>(handle);
    return 0;
}

void* xengntshr_share_pages(xengntshr_handle* handle, std::uint32_t, int count, std::uint32_t* references,
                            int) {
    if ((errno = failing.share) != 0)
        return nullptr;
    const std::lock_guard lock(world);
    const auto pages = std::make_shared<memory>(std::size_t(count));
    for (std::size_t i = 0; i < std::size_t(count); ++i) {
        references[i] = ++last_reference;
        all_grants[references[i]] = {pages, i, handle};
    }
    return map(std::size_t(count), references, PROT_READ | PROT_WRITE);
}

void* xengntshr_share_page_notify(xengntshr_handle* handle, std::uint32_t domain, std::uint32_t* reference,
                                  int writable, std::uint32_t offset, evtchn_port_t port) {
    void* const page = xengntshr_share_pages(handle, domain, 1, reference, writable);
    const std::lock_guard lock(world);
    if (page != nullptr)
        notices[page] = {offset, port};
    return page;
}

int xengntshr_unshare(xengntshr_handle*, void* start, std::uint32_t count) {
    const std::lock_guard lock(world);
    unmapped(start);
    return munmap(start, count * page_size);
}

xengnttab_handle* xengnttab_open(xentoollog_logger*, unsigned) {
    if ((errno = failing.open_grants) != 0)
        return nullptr;
    return reinterpret_cast<xengnttab_handle*>(new xengntdev_handle);
}

int xengnttab_close(xengnttab_handle* handle) {
    delete reinterpret_cast<xengntdev_handle*>(handle);
    return 0;
}

void* xengnttab_map_grant_ref(xengnttab_handle*, std::uint32_t, std::uint32_t reference, int protection) {
    const std::lock_guard lock(world);
    return map(1, &reference, protection);
}

void* xengnttab_map_grant_ref_notify(xengnttab_handle*, std::uint32_t, std::uint32_t reference,
                                     int protection, std::uint32_t offset, evtchn_port_t port) {
    const std::lock_guard lock(world);
    void* const page = map(1, &reference, protection);
    if (page != nullptr)
        notices[page] = {offset, port};
    return page;
}

void* xengnttab_map_domain_grant_refs(xengnttab_handle*, std::uint32_t count, std::uint32_t,
                                      std::uint32_t* references, int protection) {
    const std::lock_guard lock(world);
    return map(count, references, protection);
}

int xengnttab_unmap(xengnttab_handle*, void* start, std::uint32_t count) {
    const std::lock_guard lock(world);
    unmapped(start);
    return munmap(start, count * page_size);
}

} // extern "C"
