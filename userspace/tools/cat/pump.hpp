// SPDX-License-Identifier: MIT
/// A connection between two descriptors of this program: what one has goes out, what comes goes to the other.
#pragma once

#include <string>

namespace xvsock::cat {

/// Sends all of `input` on the socket and then closes that half; writes all that comes to `output` until the
/// peer has closed its half. Both at once, with calls that block, so that either may be a file, a pipe or a
/// terminal. Returns when both have ended, or when the peer takes nothing any more and `input` has nothing to
/// send; a thread that is still reading `input` is left behind for the program's end.
///
/// Throws std::runtime_error for what was lost: input that could not be sent, after the other direction has
/// ended; output that could not be written, and a connection that was broken, at once. What was sent and
/// never read is not known. After an error of `input` the peer sees a reset, where the socket can, rather
/// than an end.
void pump(int socket, int input, int output);

} // namespace xvsock::cat
