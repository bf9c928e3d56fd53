// SPDX-License-Identifier: MIT
// What the tests of plain vchans share: AF_VSOCK sockets here, in g1, whose peer is g2, without the module.
#pragma once

#include "vchan/pattern.hpp"
#include "vsock_socket.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include <poll.h>

namespace xvsock::guest {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using stream_bytes = class pattern; // vsock_socket.hpp has a function of that name

inline std::uint32_t cid_of(const std::string& domain) {
    return static_cast<std::uint32_t>(std::stoul(variable("CID_" + domain)));
}

/// How long something may take that takes no time.
inline std::chrono::seconds patience() {
    return 30s * std::stoi(variable("SLOWNESS"));
}

// Ports of the scenario's dom0.sh.
enum port : std::uint32_t {
    commands = 1,   ///< of vchan-services in g2
    mortals = 2,    ///< likewise, of those that may die
    proxied = 3,    ///< of vchan-socket-proxy in dom0
    visited = 200,  ///< ours
    refused = 201,  ///< ours, where nobody listens
    unnamed = 202,  ///< ours, which dom0 does not name at first
    to_proxy = 203, ///< ours, for dom0
    lied_to = 300,  ///< ours, and the next ones, for plain-liar
};

/// Connects, and tries again while nobody is there: what g2 is told to offer takes a moment.
inline descriptor connected(std::uint32_t cid, std::uint32_t port) {
    const auto end = clock::now() + patience();
    const timeval limit{.tv_sec = patience().count(), .tv_usec = 0}; // for a domain that stands still
    for (;;) {
        auto socket = make_socket();
        ::setsockopt(socket.get(), AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &limit, sizeof limit);
        const int error = try_connect(socket.get(), cid, port);
        if (error == 0)
            return socket;
        if (error != ECONNRESET || clock::now() > end)
            throw std::system_error(error, std::generic_category(),
                                    "connect to port " + std::to_string(port));
        std::this_thread::sleep_for(20ms);
    }
}

/// Where g2's libxenvchan offers what we connect to at that port, as it names it in its home.
inline std::string offer_to_us(std::uint32_t port) {
    return "data/vsock/" + variable("DOMID") + "/" + std::to_string(port);
}

/// Where g2 finds our listener at that port.
inline std::string offer_of_ours(std::uint32_t port) {
    return "/local/domain/" + variable("DOMID") + "/data/vsock/" + variable("DOMID_g2") + "/" +
           std::to_string(port);
}

/// Tells vchan-services in g2 to do something.
inline std::string tell(const std::string& command, std::uint32_t services = commands) {
    const auto socket = connected(cid_of("g2"), services);
    const std::string line = command + "\n";
    if (!send_all(socket.get(), line.data(), line.size()))
        throw std::runtime_error("the services have gone");
    return receive_line(socket.get());
}

/// Accepts within a moment, or has no descriptor.
inline descriptor accepted(const descriptor& listener, std::chrono::milliseconds limit = patience()) {
    pollfd ready{listener.get(), POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(limit.count())) != 1)
        return {};
    return descriptor(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

/// Whether the socket has something to say within a moment.
inline short polled(const descriptor& socket, short events, std::chrono::milliseconds limit = patience()) {
    pollfd ready{socket.get(), events, 0};
    return ::poll(&ready, 1, static_cast<int>(limit.count())) == 1 ? ready.revents : short{0};
}

/// The errno of a read of one byte; 0 for a byte, EPIPE for the end.
inline int read_error(const descriptor& socket) {
    char byte = 0;
    const auto got = ::recv(socket.get(), &byte, 1, 0);
    return got > 0 ? 0 : got == 0 ? EPIPE : errno;
}

/// Writes so many bytes of the pattern while it reads them back.
inline void must_echo(const descriptor& socket, std::uint64_t size) {
    static const stream_bytes bytes;
    std::thread writer([&] {
        for (std::uint64_t done = 0; done < size;) {
            const auto part = bytes.at(done, size - done);
            if (!send_all(socket.get(), part.data(), part.size()))
                return;
            done += part.size();
        }
    });
    std::vector<char> buffer(100'000);
    std::uint64_t got = 0;
    while (got < size) {
        const auto length =
            ::recv(socket.get(), buffer.data(),
                   static_cast<std::size_t>(std::min<std::uint64_t>(size - got, buffer.size())), 0);
        if (length <= 0) {
            ADD_FAILURE() << "after " << got
                          << " bytes: " << (length == 0 ? "the end" : std::strerror(errno));
            break;
        }
        EXPECT_TRUE(bytes.is_at(got, buffer.data(), static_cast<std::size_t>(length))) << got;
        got += static_cast<std::uint64_t>(length);
    }
    writer.join();
}

/// A number of our peer's line in the module's counters.
inline std::uint64_t counter(const std::string& name, const std::string& domain = "g2") {
    std::ifstream peers("/sys/kernel/debug/xvsock/peers");
    const std::string is_domains = "cid=" + std::to_string(cid_of(domain)) + " ";
    for (std::string line; std::getline(peers, line);)
        if (line.starts_with(is_domains))
            if (const auto at = line.find(" " + name + "="); at != std::string::npos)
                return std::stoull(line.substr(at + name.size() + 2));
    throw std::runtime_error("no counter " + name + " of " + domain);
}

template <typename Condition> bool within_a_moment(Condition is_so) {
    for (const auto end = clock::now() + patience(); clock::now() < end; std::this_thread::sleep_for(20ms))
        if (is_so())
            return true;
    return is_so();
}

} // namespace xvsock::guest
