// SPDX-License-Identifier: MIT
// Shared memory as the protocol's rules see it: fields of a page, and the two ends of a ring (section 2).
#pragma once

#include "protocol.hpp"

#include <algorithm>
#include <cstring>

namespace xvsock::hostile {

// One field at an offset of a shared page.
template <typename Field> class shared_field {
public:
    shared_field() = default;
    shared_field(std::uint8_t* page, std::size_t at) : at_(reinterpret_cast<Field*>(page + at)) {}

    [[nodiscard]] Field load() const { return __atomic_load_n(at_, __ATOMIC_ACQUIRE); }
    void store(Field value) const { __atomic_store_n(at_, value, __ATOMIC_RELEASE); }
    void set_bits(Field bits) const { __atomic_fetch_or(at_, bits, __ATOMIC_SEQ_CST); }
    // Whether any of them was set.
    [[nodiscard]] bool clear_bits(Field bits) const {
        return (__atomic_fetch_and(at_, static_cast<Field>(~bits), __ATOMIC_SEQ_CST) & bits) != 0;
    }

private:
    Field* at_ = nullptr;
};

using index_field = shared_field<std::uint32_t>;
using byte_field = shared_field<std::uint8_t>;

// Which of the two rings: left is client to server.
enum class direction { left, right };

// One direction, seen from one side: ours is prod for a writer, cons for a reader.
struct ring_end {
    index_field ours;
    index_field theirs;
    index_field limit;
    index_field moved_at;
    index_field moved;
    std::uint8_t* memory = nullptr;
    std::uint32_t size = 0;
    std::uint32_t index = 0;

    // The large ring that it may move to, or has moved to; and up to where bytes are in the small one.
    std::uint8_t* large_memory = nullptr;
    std::uint32_t large_size = 0;
    std::uint32_t small_until = 0;
    bool large = false;
    bool limited = false; // a connection's ring, not the control channel's

    [[nodiscard]] std::uint32_t current_size() const { return large ? large_size : size; }

    // Bytes to read.
    [[nodiscard]] std::uint32_t filled() {
        const auto prod = theirs.load();
        if (!large && large_memory != nullptr && moved.load() == 1) {
            small_until = moved_at.load();
            large = true;
        }
        return std::min(prod - index, current_size());
    }

    // Room to write. Moves to the large ring when there is one.
    [[nodiscard]] std::uint32_t space() {
        if (!large && large_memory != nullptr) {
            small_until = index;
            moved_at.store(index);
            moved.store(1);
            large = true;
        }
        const auto used = std::min(index - theirs.load(), current_size());
        const auto free = current_size() - used;
        if (!limited)
            return free;
        const auto most = std::max(limit.load(), least_limit);
        return std::min(free, most - std::min(most, used));
    }

    void read(void* to, std::uint32_t count) {
        for (std::uint32_t done = 0; done < count;) {
            const auto at = piece(done, count - done);
            std::memcpy(static_cast<std::uint8_t*>(to) + done, at.memory, at.length);
            done += at.length;
        }
        index += count;
        ours.store(index);
    }

    // Puts bytes into the ring without saying so.
    void place(const void* from, std::uint32_t count) const {
        for (std::uint32_t done = 0; done < count;) {
            const auto at = piece(done, count - done);
            std::memcpy(at.memory, static_cast<const std::uint8_t*>(from) + done, at.length);
            done += at.length;
        }
    }

    void write(const void* from, std::uint32_t count) {
        place(from, count);
        index += count;
        ours.store(index);
    }

private:
    struct span {
        std::uint8_t* memory;
        std::uint32_t length;
    };

    [[nodiscard]] span piece(std::uint32_t ahead, std::uint32_t want) const {
        const auto at = index + ahead;
        const auto in_small = small_until - at;
        if (large && (in_small == 0 || in_small > size)) {
            const auto where = at % large_size;
            return {large_memory + where, std::min(want, large_size - where)};
        }
        const auto where = at % size;
        const auto length = std::min(want, size - where);
        return {memory + where, large ? std::min(length, in_small) : length};
    }
};

// A shared page from one side: the server allocates it, the client maps it.
enum class vchan_side { server, client };

struct shared_page {
    std::uint8_t* memory = nullptr;
    ring_end tx;
    ring_end rx;
    byte_field our_live;
    byte_field peer_live;
    byte_field asked_of_us;   // notify bits that the peer sets
    byte_field asked_of_peer; // notify bits that we set

    shared_page() = default;

    shared_page(std::uint8_t* page, vchan_side side) : memory(page) {
        const bool server = side == vchan_side::server;
        auto& left = server ? rx : tx;
        auto& right = server ? tx : rx;
        left.memory = page + offset::small_ring;
        left.size = std::uint32_t{1} << order_small;
        right.memory = page + offset::large_ring;
        right.size = std::uint32_t{1} << order_large;
        rx.ours = {page, server ? offset::left_cons : offset::right_cons};
        rx.theirs = {page, server ? offset::left_prod : offset::right_prod};
        tx.ours = {page, server ? offset::right_prod : offset::left_prod};
        tx.theirs = {page, server ? offset::right_cons : offset::left_cons};
        share(left, offset::share_left);
        share(right, offset::share_right);
        our_live = {page, server ? offset::srv_live : offset::cli_live};
        peer_live = {page, server ? offset::cli_live : offset::srv_live};
        asked_of_us = {page, server ? offset::srv_notify : offset::cli_notify};
        asked_of_peer = {page, server ? offset::cli_notify : offset::srv_notify};
    }

    // What the server writes into a new page.
    static void initialise(std::uint8_t* page) {
        shared_field<std::uint16_t>(page, offset::left_order).store(order_small);
        shared_field<std::uint16_t>(page, offset::right_order).store(order_large);
        byte_field(page, offset::cli_live).store(live::waiting);
        byte_field(page, offset::srv_live).store(live::open);
        byte_field(page, offset::cli_notify).store(tell_when_written);
        byte_field(page, offset::srv_notify).store(tell_when_written);
    }

private:
    void share(ring_end& end, std::size_t at) const {
        end.limit = {memory, at + offset::share_limit};
        end.moved_at = {memory, at + offset::share_moved_at};
        end.moved = {memory, at + offset::share_moved};
    }
};

} // namespace xvsock::hostile
