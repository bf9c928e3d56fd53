// SPDX-License-Identifier: MIT
// Addresses and names: what a carried socket's ends are called, and what a peer's name stands for.
#include "address_map.hpp"
#include "carry.hpp"
#include "memory.hpp"
#include "own_address.hpp"
#include "real_calls.hpp"
#include "state_of.hpp"

#include <algorithm>
#include <cstring>

#include <arpa/inet.h>

using namespace xvsock::preload;

namespace {

using name_call = int (*)(int, sockaddr*, socklen_t*);

/// The AF_VSOCK address that the call gives; false with its errno.
bool ask(name_call call, int descriptor, sockaddr_vm& address) {
    socklen_t size = sizeof address;
    return call(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0;
}

/// What TCP says, by its `call`.
int ask_tcp(name_call call, int descriptor, sockaddr* address, socklen_t* size) {
    const socklen_t room = is_memory(size) ? *size : 0;
    const int result = call(descriptor, address, size);
    if (result == 0)
        show_own(address, std::min(room, *size));
    return result;
}

/// Whether a name can be given there, with TCP's errno.
bool can_give(const sockaddr* address, const socklen_t* size) {
    if (!is_memory(address) || !is_memory(size))
        errno = EFAULT;
    else if (static_cast<int>(*size) < 0)
        errno = EINVAL;
    else
        return true;
    return false;
}

/// What gethostbyaddr() is to give, looked up by the call that takes an address as text: the name of a peer
/// lasts as long as the program.
const std::string* peer_at(const void* address, socklen_t size, int family) {
    sockaddr_storage place{};
    place.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET && size == sizeof(in_addr))
        std::memcpy(&reinterpret_cast<sockaddr_in*>(&place)->sin_addr, address, size);
    else if (family == AF_INET6 && size == sizeof(in6_addr))
        std::memcpy(&reinterpret_cast<sockaddr_in6*>(&place)->sin6_addr, address, size);
    else
        return nullptr;
    const auto cid = map().cid_of(reinterpret_cast<const sockaddr*>(&place), address_size(family));
    return cid ? map().name_of(*cid) : nullptr;
}

std::string text_of(const void* address, int family) {
    char text[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(family, address, text, sizeof text);
    return text;
}

hostent* named(hostent* host, const std::string& name) {
    if (host != nullptr)
        host->h_name = const_cast<char*>(name.c_str());
    return host;
}

/// The address that a peer's name stands for, as text, which every call takes.
std::optional<std::string> numeric(const char* name, int family) {
    return name == nullptr ? std::nullopt : map().find(name, family);
}

} // namespace

extern "C" {

int getsockname(int descriptor, sockaddr* address, socklen_t* size) noexcept {
    const auto state = state_of(descriptor);
    if (!state || state->what != kind::stream)
        return ask_tcp(real::getsockname(),
                       state && state->what == kind::listener ? state->tcp.load() : descriptor, address,
                       size);
    if (!can_give(address, size))
        return -1;
    sockaddr_vm bound{};
    if (!ask(real::getsockname(), descriptor, bound))
        return -1;
    const auto held = socket_table::instance().lock();
    // Of the kind that the peer's is.
    give_address(map().address_of(map().own(), state->family, static_cast<std::uint16_t>(bound.svm_port),
                                  is_only6(state->peer)),
                 address, size);
    return 0;
}

int getpeername(int descriptor, sockaddr* address, socklen_t* size) noexcept {
    const auto state = state_of(descriptor);
    if (!state || state->what != kind::stream)
        return ask_tcp(real::getpeername(),
                       state && state->what == kind::listener ? state->tcp.load() : descriptor, address,
                       size);
    sockaddr_vm peer{};
    const bool is_known = ask(real::getpeername(), descriptor, peer);
    const int error = errno;
    const auto held = socket_table::instance().lock();
    // AF_VSOCK does not tell any more once a half is shut; TCP does.
    if (!is_known && !(state->connected && state->peer.ss_family != AF_UNSPEC))
        return fail(error);
    if (!can_give(address, size))
        return -1;
    state->connecting = false;
    state->connected = true;
    if (state->peer.ss_family == AF_UNSPEC)
        state->peer =
            map().address_of(peer.svm_cid, state->family, static_cast<std::uint16_t>(peer.svm_port));
    give_address(state->peer, address, size);
    return 0;
}

int getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** results) {
    // Whoever allows addresses only asks whether it is one.
    const bool may_be_name = hints == nullptr || (hints->ai_flags & AI_NUMERICHOST) == 0;
    const auto text =
        may_be_name ? numeric(name, hints != nullptr ? hints->ai_family : AF_UNSPEC) : std::nullopt;
    return real::getaddrinfo()(text ? text->c_str() : name, service, hints, results);
}

int getnameinfo(const sockaddr* address, socklen_t size, char* host, socklen_t host_size, char* service,
                socklen_t service_size, int flags) {
    const auto cid = map().cid_of(address, size);
    if (!cid || host == nullptr || host_size == 0 || (flags & NI_NUMERICHOST) != 0)
        return real::getnameinfo()(address, size, host, host_size, service, service_size, flags);
    // Nobody else knows these names: it would only take time to ask.
    const int result =
        real::getnameinfo()(address, size, host, host_size, service, service_size, flags | NI_NUMERICHOST);
    const auto* const name = map().name_of(*cid);
    if (result != 0 || (name == nullptr && (flags & NI_NAMEREQD) == 0))
        return result;
    if (name == nullptr)
        return EAI_NONAME;
    if (name->size() >= host_size)
        return EAI_OVERFLOW;
    std::memcpy(host, name->c_str(), name->size() + 1);
    return 0;
}

hostent* gethostbyname(const char* name) {
    const auto text = numeric(name, AF_INET);
    return real::gethostbyname()(text ? text->c_str() : name);
}

hostent* gethostbyname2(const char* name, int family) {
    const auto text = numeric(name, family);
    return real::gethostbyname2()(text ? text->c_str() : name, family);
}

int gethostbyname_r(const char* name, hostent* result, char* buffer, size_t size, hostent** found,
                    int* error) {
    const auto text = numeric(name, AF_INET);
    return real::gethostbyname_r()(text ? text->c_str() : name, result, buffer, size, found, error);
}

int gethostbyname2_r(const char* name, int family, hostent* result, char* buffer, size_t size,
                     hostent** found, int* error) {
    const auto text = numeric(name, family);
    return real::gethostbyname2_r()(text ? text->c_str() : name, family, result, buffer, size, found, error);
}

hostent* gethostbyaddr(const void* address, socklen_t size, int family) {
    const auto* const name = peer_at(address, size, family);
    if (name == nullptr)
        return real::gethostbyaddr()(address, size, family);
    return named(real::gethostbyname2()(text_of(address, family).c_str(), family), *name);
}

int gethostbyaddr_r(const void* address, socklen_t size, int family, hostent* result, char* buffer,
                    size_t buffer_size, hostent** found, int* error) {
    const auto* const name = peer_at(address, size, family);
    if (name == nullptr)
        return real::gethostbyaddr_r()(address, size, family, result, buffer, buffer_size, found, error);
    const int status = real::gethostbyname2_r()(text_of(address, family).c_str(), family, result, buffer,
                                                buffer_size, found, error);
    if (status == 0)
        named(*found, *name);
    return status;
}

} // extern "C"
