// SPDX-License-Identifier: MIT
#include "vchan_way.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>

namespace xvsock::bench {

namespace {

/// spin_us of the module, and how often it looks before it looks at the clock.
constexpr std::chrono::microseconds longest_look{50};
constexpr unsigned looks_between_clocks = 64;

/// Looks for at most longest_look; 0 when there was nothing.
template <class Look> std::uint32_t look_for_a_while(Look look) {
    const auto end = std::chrono::steady_clock::now() + longest_look;
    do {
        for (unsigned i = 0; i < looks_between_clocks; ++i) {
            if (const auto found = look())
                return found;
            relax();
        }
    } while (std::chrono::steady_clock::now() < end);
    return 0;
}

} // namespace

vchan_way::event::event() : fd(::eventfd(0, EFD_CLOEXEC)) {
    if (fd < 0)
        fail("eventfd");
}

vchan_way::event::event(event&& other) noexcept : fd(std::exchange(other.fd, -1)) {}

vchan_way::event::~event() {
    if (fd >= 0)
        ::close(fd);
}

void vchan_way::event::kick() const {
    if (::eventfd_write(fd, 1) != 0)
        fail("eventfd_write");
}

void vchan_way::event::wait() const {
    eventfd_t kicks = 0;
    if (::eventfd_read(fd, &kicks) != 0)
        fail("eventfd_read");
}

vchan_way::vchan_way(const vchan_options& options)
    : options_(options), page_(VCHAN_PAGE_SIZE, sharing::shared),
      rings_{
          memory(std::size_t{1} << options.order,
                 options.copies == copying::by_kernel ? sharing::separate : sharing::shared),
          memory(std::size_t{1} << options.order,
                 options.copies == copying::by_kernel ? sharing::separate : sharing::shared),
      } {}

// The child is the vchan's server.
void vchan_way::settle(side which, pid_t peer) {
    auto& page = *reinterpret_cast<vchan_page*>(page_.get());
    const bool server = which == side::child;
    const auto words = vchan_words_of(&page, options_.layout);
    vchan_end_init(server ? &rx_ : &tx_, words.left, options_.order);
    vchan_end_init(server ? &tx_ : &rx_, words.right, options_.order);
    rx_bytes_ = rings_[server ? 0 : 1].get();
    tx_bytes_ = rings_[server ? 1 : 0].get();
    asked_of_us_ = server ? words.srv_notify : words.cli_notify;
    asked_of_peer_ = server ? words.cli_notify : words.srv_notify;
    own_event_ = &events_[server ? 1 : 0];
    peer_event_ = &events_[server ? 0 : 1];
    peer_ = peer;
    // Where a kernel restricts process_vm_writev to descendants, the parent allows its child more.
    if (options_.copies == copying::by_kernel && which == side::parent)
        ::prctl(PR_SET_PTRACER, peer);
}

std::uint32_t vchan_way::space(std::uint32_t want) {
    std::uint32_t space = 0;
    if (!vchan_writer_space_for(&tx_, options_.use == ring_use::simple ? UINT32_MAX : want, &space))
        throw std::runtime_error("an impossible consumer index");
    return space;
}

std::uint32_t vchan_way::avail() const {
    std::uint32_t avail = 0;
    if (!vchan_reader_avail(&rx_, &avail))
        throw std::runtime_error("an impossible producer index");
    return avail;
}

template <class Look> std::uint32_t vchan_way::wait_for(std::uint8_t bit, Look look) {
    for (;;) {
        if (const auto found = look())
            return found;
        if (options_.waits == waiting::spins) {
            relax();
            continue;
        }
        if (options_.waits == waiting::adaptive) {
            vchan_notify_withdraw(asked_of_peer_, bit);
            if (const auto found = look_for_a_while(look))
                return found;
        }
        vchan_notify_request(asked_of_peer_, bit);
        if (const auto found = look())
            return found;
        own_event_->wait();
    }
}

/// Nobody asks who never sleeps.
void vchan_way::kick_if_asked(std::uint8_t bit) {
    if (options_.waits != waiting::spins && vchan_notify_take(asked_of_us_, bit))
        peer_event_->kick();
}

void vchan_way::copy_by_kernel(std::byte* to, const_bytes data) const {
    const iovec from{.iov_base = const_cast<std::byte*>(data.data()), .iov_len = data.size()};
    const iovec into{.iov_base = to, .iov_len = data.size()};
    const auto copied = ::process_vm_writev(peer_, &from, 1, &into, 1, 0);
    if (copied != static_cast<ssize_t>(data.size()))
        fail("process_vm_writev");
}

void vchan_way::copy_in(const_bytes data) {
    for (std::uint32_t done = 0; done < data.size();) {
        const auto left = data.subspan(done);
        const auto piece = vchan_span_at(&tx_, done, static_cast<std::uint32_t>(left.size()), tx_.size);
        if (options_.copies == copying::by_kernel)
            copy_by_kernel(tx_bytes_ + piece.offset, left.first(piece.length));
        else
            std::memcpy(tx_bytes_ + piece.offset, left.data(), piece.length);
        done += piece.length;
    }
}

void vchan_way::copy_out(bytes data) {
    for (std::uint32_t done = 0; done < data.size();) {
        const auto left = static_cast<std::uint32_t>(data.size() - done);
        const auto piece = vchan_span_at(&rx_, done, left, rx_.size);
        std::memcpy(data.data() + done, rx_bytes_ + piece.offset, piece.length);
        done += piece.length;
    }
}

/// Moves `count` bytes in parts: move(done, part) copies and publishes one.
template <class Move> void vchan_way::in_parts(const vchan_end& end, std::uint32_t count, Move move) const {
    const std::uint32_t most = options_.use == ring_use::simple ? count : vchan_part_bytes(&end);
    for (std::uint32_t done = 0; done < count;) {
        const auto part = std::min(count - done, most);
        move(done, part);
        done += part;
    }
}

void vchan_way::send(const_bytes data) {
    while (!data.empty()) {
        const auto want = static_cast<std::uint32_t>(data.size());
        const auto now = std::min(want, wait_for(VCHAN_NOTIFY_READ, [&] { return space(want); }));
        in_parts(tx_, now, [&](std::uint32_t done, std::uint32_t part) {
            copy_in(data.subspan(done, part));
            vchan_writer_advance(&tx_, part);
        });
        kick_if_asked(VCHAN_NOTIFY_WRITE);
        data = data.subspan(now);
    }
}

void vchan_way::receive(bytes data) {
    while (!data.empty()) {
        const auto want = static_cast<std::uint32_t>(data.size());
        const auto filled = wait_for(VCHAN_NOTIFY_WRITE, [&] { return avail(); });
        const auto now = std::min(want, filled);
        in_parts(rx_, now, [&](std::uint32_t done, std::uint32_t part) {
            copy_out(data.subspan(done, part));
            vchan_reader_advance(&rx_, part);
        });
        // As kick_waiting_writer() has it: a writer is woken when half the ring is free.
        if (filled - now <= rx_.size / 2)
            kick_if_asked(VCHAN_NOTIFY_READ);
        // As the module does it, for edge-triggered epoll.
        if (filled == now && options_.waits != waiting::spins)
            vchan_notify_request(asked_of_peer_, VCHAN_NOTIFY_WRITE);
        data = data.subspan(now);
    }
}

} // namespace xvsock::bench
