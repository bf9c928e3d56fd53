// SPDX-License-Identifier: MIT
/// The receiver's side of the protocol.
#pragma once

#include "transfer/channel.hpp"
#include "transfer/sender.hpp"

#include <functional>

namespace xvsock::transfer {

class partial_file;

struct receiver_options {
    int folder = -1;               ///< a descriptor
    bool may_replace = false;      ///< files that exist
    std::FILE* progress = nullptr; ///< where bars go
};

/// Takes what a sender has, over a channel that has greeted.
class receiver {
public:
    /// `tell` hears what became of each file.
    receiver(channel& peer, const receiver_options& options, std::function<void(const outcome&)> tell)
        : peer_(peer), options_(options), tell_(std::move(tell)) {}

    /// Blocks until the sender has no more files, or something ends it before, which is told as the problem
    /// of the file that was on its way. Returns whether all files were stored, and at least one. Throws
    /// connection_lost, peer_failed and protocol_error for what happens between two files.
    bool run();

private:
    /// Throws what ends the connection.
    void receive_file(const offer_body& offer, outcome& result);
    void receive_data(partial_file& file, checksum& sum, outcome& result);

    channel& peer_;
    receiver_options options_;
    std::function<void(const outcome&)> tell_;
};

} // namespace xvsock::transfer
