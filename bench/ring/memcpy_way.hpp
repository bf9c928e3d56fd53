// SPDX-License-Identifier: MIT
// What copies alone cost: the yardsticks of the ring. Their buffers are the ring's: a message that the sender
// has, a ring that the copies go round in, a message that the receiver has.
#pragma once

#include "memory.hpp"
#include "way.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

namespace xvsock::bench {

/// One process copies in, and out again if there are two copies.
class memcpy_here {
public:
    memcpy_here(std::size_t ring_size, unsigned copies)
        : size_(ring_size), copies_(copies), ring_(ring_size, sharing::shared) {}

    void move(const_bytes from, bytes to) {
        for (std::size_t done = 0; done < from.size();) {
            const auto length = std::min(from.size() - done, size_ - at_);
            std::memcpy(ring_.get() + at_, from.data() + done, length);
            keep();
            if (copies_ == 2)
                std::memcpy(to.data() + done, ring_.get() + at_, length);
            keep();
            done += length;
            at_ = (at_ + length) % size_;
        }
    }

private:
    /// So that no copy is optimised away.
    static void keep() { std::atomic_signal_fence(std::memory_order_seq_cst); }

    std::size_t size_;
    unsigned copies_;
    memory ring_;
    std::size_t at_ = 0;
};

/// Two copies by two processes in turns, and one word that says whose turn it is: what two copies cost at the
/// least when the bytes have to change the processor, without the two ever working at the same time.
class memcpy_in_turns {
public:
    explicit memcpy_in_turns(std::size_t ring_size)
        : size_(ring_size), rings_{memory(ring_size, sharing::shared), memory(ring_size, sharing::shared)},
          page_(page_size, sharing::shared) {}

    void settle(side which, pid_t) {
        const unsigned ours = which == side::parent ? 0 : 1;
        tx_ = {.filled = word(ours), .ring = rings_[ours].get()};
        rx_ = {.filled = word(1 - ours), .ring = rings_[1 - ours].get()};
    }

    void send(const_bytes data) {
        for (std::size_t done = 0; done < data.size();) {
            const auto length = std::min(data.size() - done, size_ - tx_.at);
            await(tx_, 0);
            std::memcpy(tx_.ring + tx_.at, data.data() + done, length);
            hand_over(tx_, length, length);
            done += length;
        }
    }

    void receive(bytes data) {
        for (std::size_t done = 0; done < data.size();) {
            const auto length = std::min(data.size() - done, size_ - rx_.at);
            await(rx_, length);
            std::memcpy(data.data() + done, rx_.ring + rx_.at, length);
            hand_over(rx_, length, 0);
            done += length;
        }
    }

private:
    static constexpr std::size_t page_size = 4096;
    static constexpr std::size_t apart = 256; // no two words in one cache line, nor in neighbours

    using shared_word = std::atomic<std::size_t>;

    struct direction {
        shared_word* filled = nullptr;
        std::byte* ring = nullptr;
        std::size_t at = 0;
    };

    shared_word* word(std::size_t index) const {
        return reinterpret_cast<shared_word*>(page_.get() + index * apart);
    }

    static void await(const direction& on, std::size_t filled) {
        while (on.filled->load(std::memory_order_acquire) != filled)
            relax();
    }

    void hand_over(direction& on, std::size_t length, std::size_t filled) const {
        on.at = (on.at + length) % size_;
        on.filled->store(filled, std::memory_order_release);
    }

    std::size_t size_;
    std::array<memory, 2> rings_; // of what the parent sends, of what the child sends
    memory page_;
    direction tx_;
    direction rx_;
};

} // namespace xvsock::bench
