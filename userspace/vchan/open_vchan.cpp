// SPDX-License-Identifier: MIT
#include "open_vchan.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <set>
#include <system_error>
#include <thread>
#include <vector>

#include <sys/mman.h>

extern "C" {
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>
}

namespace xvsock::detail {

namespace {

constexpr unsigned first_special_domain = 0x7ff0; // xen/include/public/xen.h
constexpr std::size_t page_size = 4096;
// Of the live bytes, in xen/include/public/io/libxenvchan.h.
constexpr std::uint8_t is_closed = 0;
constexpr std::uint8_t is_open = 1;
constexpr std::size_t most_of_a_ring = 1024 * 1024;
// libxenvchan makes the nodes' names in 64 bytes, and cuts off the rest.
constexpr std::size_t longest_path = 63 - std::string_view("/event-channel").size();

[[noreturn]] void fail(int error, const std::string& what) {
    throw std::system_error(error != 0 ? error : EIO, std::generic_category(), what);
}

template <typename Handle> using handle = std::unique_ptr<Handle, int (*)(Handle*)>;

template <typename Handle> handle<Handle> opened(Handle* device, int (*close)(Handle*), const char* what) {
    if (device == nullptr)
        fail(errno, std::string("open ") + what);
    return {device, close};
}

std::shared_ptr<::libxenvchan> owned(::libxenvchan* vchan, std::string path) {
    vchan->blocking = 0; // not set by libxenvchan
    return {vchan, vchan_closer{std::move(path)}};
}

std::size_t pages_of(std::size_t ring) {
    std::size_t pages = 1;
    while (pages * page_size < ring)
        pages *= 2;
    return pages;
}

/// What libxenvchan_server_init() needs of Xen, taken and given back. When it does not get it, libxenvchan
/// (4.17) frees a pointer that it has not set yet. Another program may still take it in between.
void rehearse_server(unsigned domain, const vchan_rings& rings) {
    const auto events = opened(xenevtchn_open(nullptr, 0), xenevtchn_close, "/dev/xen/evtchn");
    if (xenevtchn_bind_unbound_port(events.get(), domain) < 0)
        fail(errno, "make an event channel");
    const auto grants = opened(xengntshr_open(nullptr, 0), xengntshr_close, "/dev/xen/gntalloc");
    const std::size_t pages = 1 + pages_of(rings.receive) + pages_of(rings.send);
    std::vector<std::uint32_t> references(pages);
    void* shared = xengntshr_share_pages(grants.get(), domain, static_cast<int>(pages), references.data(), 1);
    if (shared == nullptr)
        fail(errno, "grant pages");
    xengntshr_unshare(grants.get(), shared, static_cast<std::uint32_t>(pages));
}

/// What the server has written to that node: nothing when it is missing, or for others to see.
std::optional<std::uint32_t> written(const xenstore::view& nodes, const std::string& path) {
    try {
        const auto value = nodes.read(path);
        std::uint32_t number = 0;
        if (!value || std::from_chars(value->data(), value->data() + value->size(), number).ec != std::errc())
            return std::nullopt;
        return number;
    } catch (const std::system_error& error) {
        if (error.code() == std::errc::permission_denied)
            return std::nullopt;
        throw;
    }
}

/// Xen tells a domain that is not there from a port that is not.
void require_domain(unsigned domain) {
    constexpr evtchn_port_t no_port = ~0U;
    const auto events = opened(xenevtchn_open(nullptr, 0), xenevtchn_close, "/dev/xen/evtchn");
    if (xenevtchn_bind_interdomain(events.get(), domain, no_port) < 0 && errno == ESRCH)
        throw boost::system::system_error(boost::asio::error::host_unreachable,
                                          "find domain " + std::to_string(domain));
}

xenstore::domid own_domain(const xenstore::view& nodes) {
    const auto text = nodes.read("domid").value_or("0");
    xenstore::domid own = 0;
    std::from_chars(text.data(), text.data() + text.size(), own);
    return own;
}

std::string absolute(const std::string& path, xenstore::domid own) {
    return path.starts_with('/') ? path : domain_node(own) + "/" + path;
}

/// A client's node, below its home, for the servers of that domain: they see it go when it is destroyed. One
/// for all of them, and it stays.
std::string sign_for(unsigned server) {
    return "data/vchan-client/" + std::to_string(server);
}

void leave_sign(const xenstore::view& nodes, unsigned server) {
    try {
        const auto sign = sign_for(server);
        const auto readers = xenstore::owned_by(own_domain(nodes), {static_cast<xenstore::domid>(server)});
        if (!nodes.exists(sign))
            nodes.write(sign, "");
        if (nodes.get_permissions(sign) != readers)
            nodes.set_permissions(sign, readers);
    } catch (const std::system_error& error) {
        if (error.code().value() == ECANCELED)
            throw;
        // The server does without.
    }
}

/// What a server's page says, as long as it can be mapped.
found look_at_page(unsigned domain, std::uint32_t reference) {
    const auto grants = opened(xengnttab_open(nullptr, 0), xengnttab_close, "/dev/xen/gntdev");
    void* const page = ::xengnttab_map_grant_ref(grants.get(), domain, reference, PROT_READ);
    if (page == nullptr)
        return found::nothing;
    const auto* const shared = static_cast<const ::vchan_interface*>(page);
    const auto server = __atomic_load_n(&shared->srv_live, __ATOMIC_RELAXED);
    const auto client = __atomic_load_n(&shared->cli_live, __ATOMIC_RELAXED);
    ::xengnttab_unmap(grants.get(), page, 1);
    if (server == is_closed)
        return found::nothing;
    if (client == is_open)
        return found::occupied;
    return client == is_closed ? found::left : found::vchan;
}

/// Closing also removes the nodes of the path, which may be those of a later offer.
void keep_nodes_of_others(::libxenvchan& vchan) {
    if (vchan.is_server == 0 || vchan.xs_path == nullptr)
        return;
    const std::unique_ptr<::xs_handle, void (*)(::xs_handle*)> store(::xs_open(0), ::xs_close);
    if (!store)
        return;
    const std::string node = std::string(vchan.xs_path) + "/event-channel";
    const std::unique_ptr<void, void (*)(void*)> port(::xs_read(store.get(), XBT_NULL, node.c_str(), nullptr),
                                                      std::free);
    if (!port || static_cast<const char*>(port.get()) != std::to_string(vchan.event_port)) {
        std::free(vchan.xs_path);
        vchan.xs_path = nullptr;
    }
}

/// The paths that are being closed; never destroyed, for their threads may see the end of the program.
struct closing_paths {
    std::mutex mutex;
    std::condition_variable changed;
    std::multiset<std::string> paths;
};

closing_paths& closing() {
    static auto& all = *new closing_paths;
    return all;
}

void wait_until_closed(const std::string& path) {
    std::unique_lock lock(closing().mutex);
    closing().changed.wait(lock, [&] { return !closing().paths.contains(path); });
}

} // namespace

void vchan_closer::operator()(::libxenvchan* vchan) const noexcept {
    try {
        const auto close = [vchan, path = path] {
            keep_nodes_of_others(*vchan);
            ::libxenvchan_close(vchan);
            const std::lock_guard lock(closing().mutex);
            closing().paths.erase(closing().paths.find(path));
            closing().changed.notify_all();
        };
        {
            const std::lock_guard lock(closing().mutex);
            closing().paths.insert(path);
        }
        try {
            if (!here) {
                std::thread(close).detach();
                return;
            }
        } catch (const std::system_error&) { // no thread is to be had: here, then
        }
        close();
    } catch (const std::bad_alloc&) {
        ::libxenvchan_close(vchan);
    }
}

void close_here(std::shared_ptr<::libxenvchan> vchan) {
    if (auto* const closer = std::get_deleter<vchan_closer>(vchan))
        closer->here = true;
}

std::string domain_node(unsigned domain) {
    return "/local/domain/" + std::to_string(domain);
}

boost::system::error_code check(const vchan_address& peer, const vchan_rings& rings) {
    if (peer.domain >= first_special_domain || peer.path.empty() || peer.path.back() == '/' ||
        std::max(rings.receive, rings.send) > most_of_a_ring)
        return boost::asio::error::invalid_argument;
    if (peer.path.size() > longest_path)
        return boost::asio::error::name_too_long;
    return {};
}

opened_vchan open_client(const xenstore::view& nodes, const vchan_address& peer, bool also_left) {
    require_domain(peer.domain);
    const auto page = written(nodes, peer.path + "/ring-ref");
    if (!page || !written(nodes, peer.path + "/event-channel"))
        return {};
    const auto seen = look_at_page(peer.domain, *page);
    if (seen != found::vchan && !(seen == found::left && also_left))
        return {seen};
    leave_sign(nodes, peer.domain);
    auto* vchan = ::libxenvchan_client_init(nullptr, static_cast<int>(peer.domain), peer.path.c_str());
    if (vchan == nullptr) // another client was faster, or there is no more of something
        return {found::occupied};
    auto client = owned(vchan, peer.path);
    if (::libxenvchan_is_open(vchan) == 0)
        return {};
    return {found::vchan, std::move(client), peer.path + "/ring-ref"};
}

opened_vchan open_server(const xenstore::view& nodes, const vchan_address& peer, const vchan_rings& rings) {
    const auto own = own_domain(nodes);
    const auto path = absolute(peer.path, own);
    wait_until_closed(path);
    require_domain(peer.domain);
    rehearse_server(peer.domain, rings);
    nodes.make(peer.path); // or why not
    errno = 0;
    auto* vchan = ::libxenvchan_server_init(nullptr, static_cast<int>(peer.domain), peer.path.c_str(),
                                            rings.receive, rings.send);
    const int error = errno;
    if (vchan == nullptr) {
        nodes.remove(peer.path);
        fail(error, "offer a vchan at " + peer.path);
    }
    return {found::vchan, owned(vchan, path), domain_node(peer.domain) + "/" + sign_for(own)};
}

} // namespace xvsock::detail
