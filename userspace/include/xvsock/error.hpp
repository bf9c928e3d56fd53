// SPDX-License-Identifier: MIT
/// Why a connect failed, in words: the peer and the likely cause.
#pragma once

#include "xvsock/stream_protocol.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

namespace xvsock {

/// What most likely stands between this program and its peer.
enum class cause {
    other,       ///< the error code says all there is
    not_on_xen,  ///< this system is no Xen domain
    no_module,   ///< xen_vsock is not loaded here
    no_link,     ///< dom0 has made no peer link to that CID, or it is not up
    no_listener, ///< nobody listens on that port, or the backlog is full, or dom0 forbids it
    no_answer,   ///< the peer's domain is paused, busy or without the module
    no_room,     ///< a limit on connections or grants, here or there
    no_right,    ///< the program may not use that port
};

/// Looks at the error and, when no transport was found, at /sys, which may change meanwhile.
inline cause likely_cause(const boost::system::error_code& error) {
    if (!error || (error.category() != boost::system::system_category() &&
                   error.category() != boost::system::generic_category()))
        return cause::other;
    switch (error.value()) {
    case ECONNRESET:
    case ECONNREFUSED:
        return cause::no_listener;
    case ETIMEDOUT:
        return cause::no_answer;
    case ENOBUFS:
    case ENOSPC:
        return cause::no_room;
    case EACCES:
        return cause::no_right;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENODEV:
    case EAFNOSUPPORT: {
        std::string hypervisor;
        std::ifstream("/sys/hypervisor/type") >> hypervisor;
        if (hypervisor != "xen")
            return cause::not_on_xen;
        std::error_code ignored;
        return std::filesystem::exists("/sys/module/xen_vsock", ignored) ? cause::no_link : cause::no_module;
    }
    default:
        return cause::other;
    }
}

/// A sentence without its full stop; empty for cause::other.
inline std::string to_string(cause why, const stream_protocol::endpoint& peer) {
    const std::string cid = "CID " + std::to_string(peer.cid());
    switch (why) {
    case cause::not_on_xen:
        return "this system is not a Xen domain (/sys/hypervisor/type does not say xen)";
    case cause::no_module:
        return "the module xen_vsock is not loaded in this domain";
    case cause::no_link:
        return "there is no peer link to " + cid + ": make one in dom0 with xvsock-peer add";
    case cause::no_listener:
        return "nobody listens on port " + std::to_string(peer.port()) + " of " + cid +
               ", its backlog is full, or dom0 does not let this domain connect there";
    case cause::no_answer:
        return cid + " did not answer: is its domain running, with xen_vsock loaded?";
    case cause::no_room:
        return "a limit on connections is reached, in this domain or in that of " + cid;
    case cause::no_right:
        return "ports below 1024 need root";
    case cause::other:
        break;
    }
    return {};
}

/// "cannot connect to 5:80: Connection reset by peer; nobody listens on port 80 of CID 5, or its backlog is
/// full"
inline std::string explain_connect(const boost::system::error_code& error,
                                   const stream_protocol::endpoint& peer) {
    const std::string why = to_string(likely_cause(error), peer);
    return "cannot connect to " + to_string(peer) + ": " + error.message() + (why.empty() ? "" : "; ") + why;
}

/// A connect that failed. code() is the error of the system call; what() is explain_connect()'s text.
class connect_error : public boost::system::system_error {
public:
    connect_error(const boost::system::error_code& error, const stream_protocol::endpoint& peer)
        : system_error(error), peer_(peer), cause_(likely_cause(error)), text_(explain_connect(error, peer)) {
    }

    const stream_protocol::endpoint& peer() const noexcept { return peer_; }
    cause why() const noexcept { return cause_; }
    const char* what() const noexcept override { return text_.c_str(); }

private:
    stream_protocol::endpoint peer_;
    cause cause_;
    std::string text_;
};

} // namespace xvsock
