// SPDX-License-Identifier: MIT
#include "xen.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <system_error>
#include <utility>

#include <poll.h>
#include <sys/mman.h>

extern "C" {
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>
}

namespace xvsock::hostile {

namespace {

using clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

// The handles of the two grant devices live as long as the program.
xengntshr_handle* granting() {
    static xengntshr_handle* handle = xengntshr_open(nullptr, 0);
    if (handle == nullptr)
        fail("opening gntalloc");
    return handle;
}

xengnttab_handle* mapping() {
    static xengnttab_handle* handle = xengnttab_open(nullptr, 0);
    if (handle == nullptr)
        fail("opening gntdev");
    return handle;
}

bool readable(int fd, milliseconds limit) {
    pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, static_cast<int>(std::max(limit, 0ms).count())) == 1;
}

milliseconds left_until(clock::time_point end) {
    return std::chrono::ceil<milliseconds>(end - clock::now());
}

} // namespace

granted_pages::granted_pages(domid to, std::size_t count, access how) : refs_(count) {
    if (count == 0)
        return;
    void* memory = xengntshr_share_pages(granting(), to, static_cast<int>(count), refs_.data(),
                                         how == access::read_write ? 1 : 0);
    if (memory == nullptr)
        fail("granting " + std::to_string(count) + " pages");
    data_ = static_cast<std::uint8_t*>(memory);
}

granted_pages::granted_pages(granted_pages&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), refs_(std::move(other.refs_)) {}

granted_pages& granted_pages::operator=(granted_pages&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(refs_, other.refs_);
    return *this;
}

void granted_pages::revoke() {
    if (data_ != nullptr)
        xengntshr_unshare(granting(), std::exchange(data_, nullptr),
                          static_cast<std::uint32_t>(refs_.size()));
}

mapped_pages::mapped_pages(domid from, std::span<const grant_ref> refs, access how)
    : count_(static_cast<std::uint32_t>(refs.size())) {
    if (count_ == 0)
        return;
    std::vector<grant_ref> list(refs.begin(), refs.end());
    void* memory = xengnttab_map_domain_grant_refs(
        mapping(), count_, from, list.data(), how == access::read_write ? PROT_READ | PROT_WRITE : PROT_READ);
    if (memory == nullptr)
        fail("mapping " + std::to_string(count_) + " pages");
    data_ = static_cast<std::uint8_t*>(memory);
}

mapped_pages::mapped_pages(mapped_pages&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), count_(other.count_) {}

mapped_pages& mapped_pages::operator=(mapped_pages&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
    return *this;
}

void mapped_pages::unmap() {
    if (data_ != nullptr)
        xengnttab_unmap(mapping(), std::exchange(data_, nullptr), count_);
}

void event_port::closer::operator()(xenevtchn_handle* handle) const {
    xenevtchn_close(handle);
}

event_port::event_port() : handle_(xenevtchn_open(nullptr, 0)) {
    if (!handle_)
        fail("opening evtchn");
}

event_port event_port::unbound(domid peer) {
    event_port port;
    const int number = xenevtchn_bind_unbound_port(port.handle_.get(), peer);
    if (number < 0)
        fail("allocating an event channel");
    port.number_ = static_cast<event_number>(number);
    return port;
}

event_port event_port::bound(domid peer, event_number its_port) {
    event_port port;
    const int number = xenevtchn_bind_interdomain(port.handle_.get(), peer, its_port);
    if (number < 0)
        fail("binding to the event channel " + std::to_string(its_port));
    port.number_ = static_cast<event_number>(number);
    return port;
}

void event_port::notify() const {
    xenevtchn_notify(handle_.get(), number_);
}

bool event_port::wait(milliseconds limit) const {
    if (!readable(xenevtchn_fd(handle_.get()), limit))
        return false;
    const int number = xenevtchn_pending(handle_.get());
    if (number < 0)
        return false;
    xenevtchn_unmask(handle_.get(), static_cast<event_number>(number));
    return true;
}

void store::closer::operator()(xs_handle* handle) const {
    xs_close(handle);
}

store::store() : handle_(xs_open(0)) {
    if (!handle_)
        fail("opening xenstore");
}

std::optional<std::string> store::read(const std::string& path) const {
    unsigned length = 0;
    const std::unique_ptr<void, void (*)(void*)> value(
        xs_read(handle_.get(), XBT_NULL, path.c_str(), &length), std::free);
    if (!value)
        return std::nullopt;
    return std::string(static_cast<const char*>(value.get()), length);
}

unsigned store::read_number(const std::string& path, unsigned otherwise) const {
    const auto text = read(path);
    unsigned number = 0;
    if (!text || std::from_chars(text->data(), text->data() + text->size(), number).ec != std::errc{})
        return otherwise;
    return number;
}

bool store::write(const std::string& path, const std::string& value) const {
    return xs_write(handle_.get(), XBT_NULL, path.c_str(), value.data(), static_cast<unsigned>(value.size()));
}

bool store::remove(const std::string& path) const {
    return xs_rm(handle_.get(), XBT_NULL, path.c_str());
}

std::optional<std::string> store::wait_for(const std::string& path, std::span<const std::string> values,
                                           milliseconds limit) const {
    const auto end = clock::now() + limit;
    // A watch fires once when it is set, so this looks at least once.
    if (!xs_watch(handle_.get(), path.c_str(), "wait"))
        fail("watching " + path);
    std::optional<std::string> found;
    while (!found && left_until(end) > 0ms && readable(xs_fileno(handle_.get()), left_until(end))) {
        std::free(static_cast<void*>(xs_check_watch(handle_.get())));
        const auto value = read(path).value_or("");
        if (std::find(values.begin(), values.end(), value) != values.end())
            found = value;
    }
    xs_unwatch(handle_.get(), path.c_str(), "wait");
    return found;
}

} // namespace xvsock::hostile
