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

/// Closes a vchan when nobody needs it any more: in a thread that nobody waits for, as xenstored may not
/// answer, unless close_here() was called. A vchan of the same path is offered only after that.
struct vchan_closer {
    std::string path; ///< absolute
    bool here = false;

    void operator()(::libxenvchan* vchan) const noexcept;
};

/// Closes it in this thread, if nobody else has it. May block.
void close_here(std::shared_ptr<::libxenvchan> vchan);

/// What is to be done next.
enum class found {
    vchan,
    nothing,  ///< no server yet, or what one has left behind: its nodes will change
    occupied, ///< a client is connected, or there is a passing problem: to be looked at again
    left,     ///< a client was connected: likewise
};

/// A vchan, and a node that is gone when the peer's domain is.
struct opened_vchan {
    found what = found::nothing;
    std::shared_ptr<::libxenvchan> vchan = nullptr;
    std::string sign = {};
};

/// A server that another client has left is about to close, or it is one that serves one client after the
/// other (libxenvchan's server_persist): it is for who calls `also_left`. libxenvchan would connect to any.
opened_vchan open_client(const xenstore::view& nodes, const vchan_address& peer, bool also_left);

opened_vchan open_server(const xenstore::view& nodes, const vchan_address& peer, const vchan_rings& rings);

} // namespace xvsock::detail
