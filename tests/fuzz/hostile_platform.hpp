// SPDX-License-Identifier: MIT
// Takes the place of vchan/platform.h: before and after each access to shared memory the other side, here the
// fuzzer, may change all of it. So code that reads something twice gets two values, always, and not only when
// a race happens to show it. What was done is recorded, for the checks. Include it before any header of
// vchan.
#pragma once

#ifdef VCHAN_PLATFORM_H
#error "include hostile_platform.hpp before the headers of vchan"
#endif
#define VCHAN_PLATFORM_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace xvsock::fuzz {

enum class access : std::uint8_t { load, store, barrier, flag_set, flag_clear };

struct access_record {
    access kind;
    const void* at;
    std::uint32_t value; ///< what was loaded or stored; of a flag: the bits, and of one cleared: those it had
};

class adversary {
public:
    adversary() = default;
    adversary(const adversary&) = delete;
    adversary& operator=(const adversary&) = delete;
    virtual ~adversary() = default;
    virtual void act() = 0;
};

/// Whom the code under test shares memory with, and what it has done there since the record was last cleared.
struct shared_memory {
    adversary* other_side = nullptr;
    std::vector<access_record> record;

    void act() const {
        if (other_side != nullptr)
            other_side->act();
    }
};

inline shared_memory& shared() {
    static shared_memory the;
    return the;
}

template <class T> T hostile_load(const T* at) {
    shared().act();
    const T value = *at;
    shared().record.push_back({access::load, at, value});
    shared().act();
    return value;
}

template <class T> void hostile_store(T* at, T value) {
    shared().act();
    *at = value;
    shared().record.push_back({access::store, at, value});
    shared().act();
}

inline void hostile_barrier() {
    shared().act();
    shared().record.push_back({access::barrier, nullptr, 0});
    shared().act();
}

} // namespace xvsock::fuzz

#define VCHAN_STATIC_ASSERT(expr) static_assert(expr, #expr)

#define vchan_load_acquire(ptr) ::xvsock::fuzz::hostile_load(ptr)
#define vchan_load_relaxed(ptr) ::xvsock::fuzz::hostile_load(ptr)
#define vchan_store_release(ptr, value) ::xvsock::fuzz::hostile_store(ptr, value)
#define vchan_full_barrier() ::xvsock::fuzz::hostile_barrier()

inline void vchan_flag_set(std::uint8_t* byte, std::uint8_t bit) {
    using namespace xvsock::fuzz;
    shared().act();
    *byte |= bit;
    shared().record.push_back({access::flag_set, byte, bit});
    shared().act();
}

inline bool vchan_flag_clear(std::uint8_t* byte, std::uint8_t bit) {
    using namespace xvsock::fuzz;
    shared().act();
    const auto had = static_cast<std::uint8_t>(*byte & bit);
    *byte &= static_cast<std::uint8_t>(~bit);
    shared().record.push_back({access::flag_clear, byte, had});
    shared().act();
    return had != 0;
}
