// SPDX-License-Identifier: MIT
/// libxenvchan's calls that block, with the errors that they do not report. Throw std::system_error.
#pragma once

#include "xvsock/vchan_stream.hpp"

#include <memory>

extern "C" {
#include <libxenvchan.h>
}

namespace xvsock::detail {

/// A domain's home.
std::string domain_node(unsigned domain);

/// What is wrong with these, if something is.
boost::system::error_code check(const vchan_address& peer, const vchan_rings& rings);

/// Closes it in a thread that nobody waits for: xenstored may not answer. open_server() does, when it is for
/// the same path, for libxenvchan_close() removes the nodes that are there.
void close_in_background(std::shared_ptr<::libxenvchan> vchan, std::string path);

/// A vchan, and a node that is gone when the peer's domain is.
struct opened_vchan {
    std::shared_ptr<::libxenvchan> vchan; ///< null: no server yet, or what one has left behind, or it is used
    std::string sign;
    bool is_used = false; ///< another client is connected, or was
};

/// A server that another client has left is about to close, or it is one that serves one client after the
/// other (libxenvchan's server_persist): it is for who calls `also_used`. libxenvchan would connect to any.
opened_vchan open_client(const xenstore::view& nodes, const vchan_address& peer, bool also_used);

opened_vchan open_server(const xenstore::view& nodes, const vchan_address& peer, const vchan_rings& rings);

} // namespace xvsock::detail
