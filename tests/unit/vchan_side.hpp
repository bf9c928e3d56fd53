// SPDX-License-Identifier: MIT
// Two sides of a vchan in this process or in two, for the units: shared memory instead of grants, an eventfd
// instead of an event channel, and the headers under test in between.
#pragma once

#include <vchan/layout.h>
#include <vchan/notify.h>
#include <vchan/ring.h>

#include <boost/interprocess/anonymous_shared_memory.hpp>
#include <boost/interprocess/mapped_region.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace xvsock::vchan_test {

/// A side that sleeps this long without a kick has lost a wake-up: the other side is never that slow.
constexpr std::chrono::seconds watchdog{20};

/// How many times slower the units run: sanitized builds do fewer rounds of what does not need them.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr uint32_t sanitizer_slowdown = 20;
#else
constexpr uint32_t sanitizer_slowdown = 1;
#endif

struct lost_wakeup : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct broken_ring : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The memory of one vchan, shared with children forked later. In-page rings lie in the page, others behind
/// it.
class shared_vchan {
public:
    shared_vchan(uint32_t left_order, uint32_t right_order, vchan_layout layout = VCHAN_LAYOUT_XEN)
        : layout_(layout),
          region_(boost::interprocess::anonymous_shared_memory(
              size_t{VCHAN_PAGE_SIZE} * (1 + vchan_ring_pages(left_order) + vchan_ring_pages(right_order)))) {
        if (!vchan_orders_valid(left_order, right_order))
            throw std::invalid_argument("a vchan cannot have these two ring orders");
        page().left_order = static_cast<uint16_t>(left_order);
        page().right_order = static_cast<uint16_t>(right_order);
        page().srv_live = VCHAN_OPEN;
        page().cli_live = VCHAN_OPEN;
    }

    vchan_page& page() { return *static_cast<vchan_page*>(region_.get_address()); }
    vchan_words words() { return vchan_words_of(&page(), layout_); }

    std::byte* left_ring() { return ring(page().left_order, 1); }
    std::byte* right_ring() { return ring(page().right_order, 1 + vchan_ring_pages(page().left_order)); }

private:
    std::byte* ring(uint32_t order, uint32_t first_page) {
        const uint32_t in_page = vchan_inpage_offset(order);
        return static_cast<std::byte*>(region_.get_address()) +
               (in_page ? in_page : size_t{first_page} * VCHAN_PAGE_SIZE);
    }

    vchan_layout layout_;
    boost::interprocess::mapped_region region_;
};

/// An event channel made of an eventfd: a kick stays pending until a wait takes it. Works across fork().
class blocking_event {
public:
    blocking_event() : fd_(::eventfd(0, EFD_CLOEXEC)) {
        if (fd_ < 0)
            throw std::system_error(errno, std::generic_category(), "eventfd");
    }
    blocking_event(const blocking_event&) = delete;
    blocking_event& operator=(const blocking_event&) = delete;
    blocking_event(blocking_event&&) = delete;
    blocking_event& operator=(blocking_event&&) = delete;
    ~blocking_event() { ::close(fd_); }

    void kick() {
        if (::eventfd_write(fd_, 1) != 0)
            throw std::system_error(errno, std::generic_category(), "eventfd_write");
    }

    /// Blocks until kicked; false when nobody did within the time.
    bool wait(std::chrono::milliseconds limit) {
        pollfd polled{.fd = fd_, .events = POLLIN, .revents = 0};
        int ready = 0;
        do {
            ready = ::poll(&polled, 1, static_cast<int>(limit.count()));
        } while (ready < 0 && errno == EINTR);
        if (ready < 0)
            throw std::system_error(errno, std::generic_category(), "poll");
        eventfd_t kicks = 0;
        return ready > 0 && ::eventfd_read(fd_, &kicks) == 0;
    }

private:
    int fd_;
};

/// The same, for threads, by spinning: a hundred times as many sleeps in the same time, and the two sides'
/// steps meet within nanoseconds.
class spinning_event {
public:
    void kick() { pending_.store(true, std::memory_order_release); }

    bool wait(std::chrono::milliseconds limit) {
        constexpr unsigned spins_between_yields = 512;
        const auto deadline = std::chrono::steady_clock::now() + limit;
        for (unsigned spins = 0;; ++spins) {
            // the plain load first, so that spinning does not take the cache line from the one who kicks
            if (pending_.load(std::memory_order_relaxed) &&
                pending_.exchange(false, std::memory_order_acquire))
                return true;
            if (spins % spins_between_yields == spins_between_yields - 1) {
                if (std::chrono::steady_clock::now() > deadline)
                    return false;
                std::this_thread::yield();
            }
        }
    }

private:
    alignas(64) std::atomic<bool> pending_{false};
};

enum class role { server, client };

/// How a side maps ring memory: as single pages, as the kernel may, or as one piece, as userspace does.
enum class mapping { scattered, contiguous };

/// One side of a vchan: writes one ring and reads the other. Belongs to one thread.
/// Every function throws broken_ring when the peer's index is impossible.
template <class Event> class side {
public:
    side(shared_vchan& vchan, role which, Event& own, Event& peer, mapping how = mapping::contiguous)
        : own_event_(own), peer_event_(peer), how_(how) {
        const vchan_page& page = vchan.page();
        const vchan_words words = vchan.words();
        const bool server = which == role::server;
        vchan_end_init(&writer_, server ? words.right : words.left,
                       server ? page.right_order : page.left_order);
        vchan_end_init(&reader_, server ? words.left : words.right,
                       server ? page.left_order : page.right_order);
        write_memory_ = server ? vchan.right_ring() : vchan.left_ring();
        read_memory_ = server ? vchan.left_ring() : vchan.right_ring();
        requests_to_peer_ = server ? words.cli_notify : words.srv_notify;
        requests_to_us_ = server ? words.srv_notify : words.cli_notify;
    }

    [[nodiscard]] uint32_t write_size() const { return writer_.size; }
    [[nodiscard]] uint32_t read_size() const { return reader_.size; }
    /// How often this side has gone to sleep.
    [[nodiscard]] uint64_t sleeps() const { return sleeps_; }

    /// Room; when there is `enough` as far as this side knows, it does not look for more.
    [[nodiscard]] uint32_t space(uint32_t enough = UINT32_MAX) {
        uint32_t bytes = 0;
        if (!vchan_writer_space_for(&writer_, enough, &bytes))
            throw broken_ring("the reader's index is impossible");
        return bytes;
    }

    [[nodiscard]] uint32_t avail() const {
        uint32_t bytes = 0;
        if (!vchan_reader_avail(&reader_, &bytes))
            throw broken_ring("the writer's index is impossible");
        return bytes;
    }

    /// Writes what fits, publishes it at once, kicks if asked to; never blocks. Returns the bytes written.
    uint32_t write_some(std::span<const std::byte> data) {
        const uint32_t n =
            std::min(space(static_cast<uint32_t>(data.size())), static_cast<uint32_t>(data.size()));
        for_each_piece(writer_, n, [&](uint32_t done, vchan_span piece) {
            std::memcpy(write_memory_ + piece.offset, data.data() + done, piece.length);
        });
        if (n > 0) {
            vchan_writer_advance(&writer_, n);
            kick_if_requested(VCHAN_NOTIFY_WRITE);
        }
        return n;
    }

    /// Hands at most `want` bytes to take(bytes), piece by piece, gives them back at once, kicks if asked to;
    /// never blocks. Returns the bytes read.
    template <class Take> uint32_t read_some(uint32_t want, Take take) {
        const uint32_t n = std::min(avail(), want);
        for_each_piece(reader_, n, [&](uint32_t, vchan_span piece) {
            take(std::span<const std::byte>(read_memory_ + piece.offset, piece.length));
        });
        if (n > 0) {
            vchan_reader_advance(&reader_, n);
            kick_if_requested(VCHAN_NOTIFY_READ);
        }
        return n;
    }

    /// Sleeps until there is room for n bytes, at most the ring's size. Throws lost_wakeup.
    void wait_for_space(uint32_t n) {
        wait(VCHAN_NOTIFY_READ, [&] { return space(n) >= n; });
    }

    /// Sleeps until n bytes, at most the ring's size, can be read. Throws lost_wakeup.
    void wait_for_data(uint32_t n) {
        wait(VCHAN_NOTIFY_WRITE, [&] { return avail() >= n; });
    }

    /// Sleeps until there is either something to read or room to write. Throws lost_wakeup.
    void wait_for_either() {
        wait(VCHAN_NOTIFY_WRITE | VCHAN_NOTIFY_READ, [&] { return avail() > 0 || space(1) > 0; });
    }

private:
    template <class Body> void for_each_piece(const vchan_end& end, uint32_t n, Body body) const {
        const uint32_t unit = how_ == mapping::scattered ? VCHAN_PAGE_SIZE : end.size;
        for (uint32_t done = 0; done < n;) {
            const vchan_span piece = vchan_span_at(&end, done, n - done, unit);
            body(done, piece);
            done += piece.length;
        }
    }

    void kick_if_requested(uint8_t bit) {
        if (vchan_notify_take(requests_to_us_, bit))
            peer_event_.kick();
    }

    template <class Ready> void wait(unsigned bits, Ready ready) {
        while (!ready()) {
            for (const unsigned bit : {VCHAN_NOTIFY_WRITE, VCHAN_NOTIFY_READ}) {
                if (bits & bit)
                    vchan_notify_request(requests_to_peer_, static_cast<uint8_t>(bit));
            }
            if (ready())
                return;
            ++sleeps_;
            if (!own_event_.wait(watchdog))
                throw lost_wakeup(ready() ? "asleep although the other side has moved on" : "no progress");
        }
    }

    Event& own_event_;
    Event& peer_event_;
    mapping how_;
    vchan_end writer_{};
    vchan_end reader_{};
    std::byte* write_memory_ = nullptr;
    std::byte* read_memory_ = nullptr;
    uint8_t* requests_to_peer_ = nullptr;
    uint8_t* requests_to_us_ = nullptr;
    uint64_t sleeps_ = 0;
};

} // namespace xvsock::vchan_test
