// SPDX-License-Identifier: MIT
#include "own_address.hpp"

#include "address_map.hpp"
#include "carry.hpp"
#include "real_calls.hpp"

#include <algorithm>
#include <cstring>

namespace xvsock::preload {

namespace {

/// By trying whether a socket can be bound there. `size` is that of an address of IP.
bool is_of_host(const sockaddr* address, socklen_t size) {
    sockaddr_in6 probed{}; // the larger one; their ports are at the same place
    size = std::min<socklen_t>(size, sizeof probed);
    std::memcpy(&probed, address, size);
    probed.sin6_port = 0;
    const int socket = real::socket()(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool is_there =
        socket < 0 || real::bind()(socket, reinterpret_cast<const sockaddr*>(&probed), size) == 0;
    if (socket >= 0)
        real::close()(socket);
    return is_there;
}

} // namespace

sockaddr_storage loopback_for(const sockaddr* address, socklen_t size) {
    if (map().own() == 0 || map().cid_of(address, size) != map().own() || is_of_host(address, size))
        return {};
    return map().own_on_loopback(address->sa_family, port_of(address));
}

void show_own(sockaddr* address, socklen_t size) {
    if (!map().is_own_on_loopback(address, size))
        return;
    const auto shown = map().address_of(map().own(), address->sa_family, port_of(address));
    std::memcpy(address, &shown, std::min(size, address_size(address->sa_family)));
}

} // namespace xvsock::preload
