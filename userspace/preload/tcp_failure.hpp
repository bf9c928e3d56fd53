// SPDX-License-Identifier: MIT
/// What TCP would have said where a call on a carried socket has failed.
#pragma once

#include <sys/types.h>

namespace xvsock::preload {

/// The result of a call that sends, with TCP's errno, and SIGPIPE where TCP sends it.
ssize_t as_sent(int descriptor, ssize_t result, int flags = 0);

/// Likewise of one that receives.
ssize_t as_received(int descriptor, ssize_t result);

} // namespace xvsock::preload
