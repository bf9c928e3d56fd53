// SPDX-License-Identifier: MIT
// A vchan: the code of vchan/, used as vsock_transport/data_path.c uses it, with an eventfd for the event
// channel.
#pragma once

#include "memory.hpp"
#include "way.hpp"

#include <vchan/layout.h>
#include <vchan/notify.h>
#include <vchan/ring.h>

#include <array>
#include <cstdint>

namespace xvsock::bench {

/// How bytes come into the ring.
enum class copying {
    by_writer, ///< into shared memory
    by_kernel, ///< into memory of the reader's own, by process_vm_writev: as a hypervisor's copy, V4V's or
               ///< Argo's
};

enum class ring_use {
    module, ///< as the module uses it
    simple, ///< to compare with: the reader's index is read each time, and a message is published as a whole
};

struct vchan_options {
    std::uint32_t order;
    waiting waits;
    vchan_layout layout = VCHAN_LAYOUT_XEN;
    ring_use use = ring_use::module;
    copying copies = copying::by_writer;
};

class vchan_way {
public:
    explicit vchan_way(const vchan_options& options);

    void settle(side which, pid_t peer);
    void send(const_bytes data);
    void receive(bytes data);

private:
    struct event {
        event();
        event(event&& other) noexcept;
        event(const event&) = delete;
        event& operator=(const event&) = delete;
        event& operator=(event&&) = delete;
        ~event();

        void kick() const;
        void wait() const;

        int fd;
    };

    std::uint32_t space(std::uint32_t want);
    [[nodiscard]] std::uint32_t avail() const;
    template <class Look> std::uint32_t wait_for(std::uint8_t bit, Look look);
    template <class Move> void in_parts(const vchan_end& end, std::uint32_t count, Move move) const;
    void kick_if_asked(std::uint8_t bit);
    void copy_in(const_bytes data);
    void copy_out(bytes data);
    void copy_by_kernel(std::byte* to, const_bytes data) const;

    vchan_options options_;
    memory page_;
    std::array<memory, 2> rings_; // left, right
    std::array<event, 2> events_; // of the parent, of the child

    pid_t peer_ = 0;
    vchan_end tx_{};
    vchan_end rx_{};
    std::byte* tx_bytes_ = nullptr;
    std::byte* rx_bytes_ = nullptr;
    std::uint8_t* asked_of_us_ = nullptr;
    std::uint8_t* asked_of_peer_ = nullptr;
    const event* own_event_ = nullptr;
    const event* peer_event_ = nullptr;
};

} // namespace xvsock::bench
