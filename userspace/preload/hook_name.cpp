// SPDX-License-Identifier: MIT
// Addresses and names: what a carried socket's ends are called, and what a peer's name stands for.
#include "address_map.hpp"
#include "carry.hpp"
#include "real_calls.hpp"
#include "state_of.hpp"

#include <cstring>

using namespace xvsock::preload;

namespace {

using name_call = int (*)(int, sockaddr*, socklen_t*);

/// The AF_VSOCK address that the call gives; false with its errno.
bool ask(name_call call, int descriptor, sockaddr_vm& address) {
    socklen_t size = sizeof address;
    return call(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0;
}

/// The address that a peer's name stands for, as text, which every call takes.
std::optional<std::string> numeric(const char* name, int family) {
    return name == nullptr ? std::nullopt : map().find(name, family);
}

} // namespace

extern "C" {

int getsockname(int descriptor, sockaddr* address, socklen_t* size) noexcept {
    const auto state = state_of(descriptor);
    if (!state || state->what == kind::tcp)
        return real::getsockname()(descriptor, address, size);
    if (state->what == kind::listener)
        return real::getsockname()(state->tcp, address, size);
    if (address == nullptr || size == nullptr)
        return fail(EFAULT);
    sockaddr_vm bound{};
    if (!ask(real::getsockname(), descriptor, bound))
        return -1;
    give_address(map().address_of(map().own(), state->family, static_cast<std::uint16_t>(bound.svm_port)),
                 address, size);
    return 0;
}

int getpeername(int descriptor, sockaddr* address, socklen_t* size) noexcept {
    const auto state = state_of(descriptor);
    if (!state || state->what == kind::tcp)
        return real::getpeername()(descriptor, address, size);
    if (state->what == kind::listener)
        return real::getpeername()(state->tcp, address, size);
    if (address == nullptr || size == nullptr)
        return fail(EFAULT);
    sockaddr_vm peer{};
    const bool is_known = ask(real::getpeername(), descriptor, peer);
    const int error = errno;
    const auto held = socket_table::instance().lock();
    // AF_VSOCK does not tell any more once a half is shut; TCP does.
    if (!is_known && !(state->connected && state->peer.ss_family != AF_UNSPEC))
        return fail(error);
    state->connecting = false;
    state->connected = true;
    if (state->peer.ss_family == AF_UNSPEC)
        state->peer =
            map().address_of(peer.svm_cid, state->family, static_cast<std::uint16_t>(peer.svm_port));
    give_address(state->peer, address, size);
    return 0;
}

int getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** results) {
    const auto text = numeric(name, hints != nullptr ? hints->ai_family : AF_UNSPEC);
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
    const auto name = map().name_of(*cid);
    if (result != 0 || (!name && (flags & NI_NAMEREQD) == 0))
        return result;
    if (!name)
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

} // extern "C"
