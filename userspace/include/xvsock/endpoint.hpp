// SPDX-License-Identifier: MIT
/// The address of an AF_VSOCK socket: a CID, which names a domain, and a port in it.
#pragma once

#include <boost/asio/detail/socket_types.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <sys/socket.h>

#include <linux/vm_sockets.h> // after sys/socket.h, which it needs

namespace xvsock {

using cid_type = std::uint32_t;
using port_type = std::uint32_t;

/// Every CID of this domain, to listen on.
inline constexpr cid_type any_cid = VMADDR_CID_ANY;
/// This domain itself. Leads nowhere without the kernel's vsock_loopback; xen_vsock connects different
/// domains.
inline constexpr cid_type local_cid = VMADDR_CID_LOCAL;
/// dom0.
inline constexpr cid_type dom0_cid = VMADDR_CID_HOST;
/// Any free port, for the kernel to choose when a socket is bound.
inline constexpr port_type any_port = VMADDR_PORT_ANY;

/// An endpoint as Asio's protocols have one. A value: distinct objects may be used by several threads.
template <typename Protocol> class basic_endpoint {
public:
    using protocol_type = Protocol;
    using data_type = boost::asio::detail::socket_addr_type;

    /// Any CID and any port.
    basic_endpoint() noexcept : basic_endpoint(any_cid, any_port) {}

    /// To listen on a port on every CID of this domain.
    explicit basic_endpoint(port_type port) noexcept : basic_endpoint(any_cid, port) {}

    basic_endpoint(cid_type cid, port_type port) noexcept {
        address_.svm_family = AF_VSOCK;
        address_.svm_cid = cid;
        address_.svm_port = port;
    }

    cid_type cid() const noexcept { return address_.svm_cid; }
    void cid(cid_type value) noexcept { address_.svm_cid = value; }
    port_type port() const noexcept { return address_.svm_port; }
    void port(port_type value) noexcept { address_.svm_port = value; }

    // What Asio asks of an endpoint.
    protocol_type protocol() const noexcept { return {}; }
    data_type* data() noexcept { return reinterpret_cast<data_type*>(&address_); }
    const data_type* data() const noexcept { return reinterpret_cast<const data_type*>(&address_); }
    std::size_t size() const noexcept { return sizeof address_; }
    std::size_t capacity() const noexcept { return sizeof address_; }

    /// The kernel's addresses all have one size. Throws boost::system::system_error for another.
    void resize(std::size_t size) const {
        if (size != sizeof address_)
            throw boost::system::system_error(boost::asio::error::invalid_argument, "size of an endpoint");
    }

    friend bool operator==(const basic_endpoint& a, const basic_endpoint& b) noexcept {
        return a.cid() == b.cid() && a.port() == b.port();
    }

    friend std::strong_ordering operator<=>(const basic_endpoint& a, const basic_endpoint& b) noexcept {
        return a.cid() != b.cid() ? a.cid() <=> b.cid() : a.port() <=> b.port();
    }

private:
    sockaddr_vm address_{};
};

/// "CID:PORT", with "any" for any_cid and any_port.
template <typename Protocol> std::string to_string(const basic_endpoint<Protocol>& endpoint) {
    const std::string cid = endpoint.cid() == any_cid ? "any" : std::to_string(endpoint.cid());
    return cid + ":" + (endpoint.port() == any_port ? "any" : std::to_string(endpoint.port()));
}

template <typename Protocol>
std::ostream& operator<<(std::ostream& stream, const basic_endpoint<Protocol>& endpoint) {
    return stream << to_string(endpoint);
}

} // namespace xvsock

template <typename Protocol> struct std::hash<xvsock::basic_endpoint<Protocol>> {
    std::size_t operator()(const xvsock::basic_endpoint<Protocol>& endpoint) const noexcept {
        return std::hash<std::uint64_t>{}(std::uint64_t{endpoint.cid()} << 32U | endpoint.port());
    }
};
