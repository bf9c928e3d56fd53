// SPDX-License-Identifier: MIT
/// The sender's side of the protocol.
#pragma once

#include "transfer/channel.hpp"

#include <functional>
#include <optional>
#include <string>

namespace xvsock::transfer {

/// What became of a file.
struct outcome {
    std::string name;
    std::uint64_t size = 0;
    std::uint64_t resumed = 0; ///< bytes that were there before
    digest sum{};
    double seconds = 0;
    std::string problem; ///< empty when it is stored
};

/// Where the sender goes on: behind what the receiver has when it is the beginning of this file, else at the
/// begin. `sum_of` makes the checksum of that many first bytes of the file, if it has them.
std::uint64_t resume_offset(const have_body& have, std::uint64_t size,
                            const std::function<std::optional<digest>(std::uint64_t)>& sum_of);

/// Sends files over a channel that has greeted. `progress` is where bars go, or nullptr.
class sender {
public:
    sender(channel& peer, std::FILE* progress) : peer_(peer), progress_(progress) {}

    /// Blocks. A file that cannot be read, or that the receiver refuses, is in the outcome; after it others
    /// may follow. Throws connection_lost, peer_failed and protocol_error, after which nothing may.
    outcome send(const std::string& path);

private:
    void send_open_file(int file, outcome& result);
    void hear_objection();

    channel& peer_;
    std::FILE* progress_;
    bytes buffer_ = bytes(max_body);
};

} // namespace xvsock::transfer
