// SPDX-License-Identifier: MIT
#pragma once

namespace xvsock::guest {

// Serves service::remote, see remote_protocol.hpp: a process for each control
// connection. Does not return. The caller has no other thread.
void serve_remote();

} // namespace xvsock::guest
