// SPDX-License-Identifier: MIT
/// Which IP addresses stand for which domains.
///
/// Without a word every CID has an address in two networks that nothing else uses: 198.18.0.0/15, whose last
/// 17 bits are the CID, and fd78:7673:6f63:6b00::/64, whose last 32 are. `xvsock run` passes more in the
/// environment: the own CID, the names of the peers, and addresses of the user's choice.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

namespace xvsock::preload {

/// The variable, and what is in it: lines of "own CID", "peer CID NAME" and "address CID ADDRESS".
inline constexpr const char* map_variable = "XVSOCK_MAP";

class address_map {
public:
    /// Lines that are not understood are left out: it is `xvsock run` that complains.
    explicit address_map(std::string_view text);

    /// That of the environment. Stays for ever.
    static const address_map& of_environment();

    [[nodiscard]] std::uint32_t own() const { return own_; }

    /// The domain with this address, our own one included; nothing for other addresses and families.
    [[nodiscard]] std::optional<std::uint32_t> cid_of(const sockaddr* address, socklen_t size) const;

    /// A domain's address for a program whose sockets are of this family, AF_INET or AF_INET6; with `only6`
    /// one that is not of IPv4 behind it.
    [[nodiscard]] sockaddr_storage address_of(std::uint32_t cid, int family, std::uint16_t port,
                                              bool only6 = false) const;

    /// Where TCP has our own address, which no network has: for 198.18.A.B that is 127.18.A.B, which only
    /// this host's programs reach.
    [[nodiscard]] sockaddr_storage own_on_loopback(int family, std::uint16_t port) const;
    [[nodiscard]] bool is_own_on_loopback(const sockaddr* address, socklen_t size) const;

    /// The address as text, in a family of AF_INET, AF_INET6 or AF_UNSPEC, of the domain with this name.
    [[nodiscard]] std::optional<std::string> find(std::string_view name, int family) const;

    /// Null for one that has none.
    [[nodiscard]] const std::string* name_of(std::uint32_t cid) const;

private:
    struct peer {
        std::uint32_t cid;
        std::string name;
    };
    struct chosen {
        std::uint32_t cid;
        in6_addr address; ///< an IPv4 address as ::ffff:ADDRESS
    };

    void read_line(std::string_view line);

    std::uint32_t own_ = 0;
    std::vector<peer> peers_;
    std::vector<chosen> addresses_;
};

inline const address_map& map() {
    return address_map::of_environment();
}

/// Bytes of an address of this family; 0 for others.
constexpr socklen_t address_size(int family) {
    return family == AF_INET ? sizeof(sockaddr_in) : family == AF_INET6 ? sizeof(sockaddr_in6) : 0;
}

} // namespace xvsock::preload
