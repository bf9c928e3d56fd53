// SPDX-License-Identifier: MIT
// The notification bits, one thread at a time: what request and take do to the byte, for every value of it.
// What they do between two sides that really sleep is in vchan_handshake.cpp and vchan_stream.cpp.
#include <vchan/notify.h>
#include <vchan/ring.h>

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include <sys/mman.h>

namespace {

constexpr std::array<uint8_t, 2> bits{VCHAN_NOTIFY_WRITE, VCHAN_NOTIFY_READ};

TEST(vchan_notify, request_sets_only_its_bit) {
    for (const uint8_t bit : bits) {
        for (unsigned before = 0; before <= 0xff; ++before) {
            auto byte = static_cast<uint8_t>(before);
            vchan_notify_request(&byte, bit);
            ASSERT_EQ(byte, before | bit) << "bit " << +bit << ", byte was " << before;
        }
    }
}

TEST(vchan_notify, take_clears_only_its_bit_and_tells) {
    for (const uint8_t bit : bits) {
        for (unsigned before = 0; before <= 0xff; ++before) {
            auto byte = static_cast<uint8_t>(before);
            ASSERT_EQ(vchan_notify_take(&byte, bit), (before & bit) != 0)
                << "bit " << +bit << ", byte was " << before;
            ASSERT_EQ(byte, before & ~unsigned{bit}) << "bit " << +bit << ", byte was " << before;
        }
    }
}

TEST(vchan_notify, one_kick_for_one_request) {
    uint8_t byte = 0;
    EXPECT_FALSE(vchan_notify_take(&byte, VCHAN_NOTIFY_WRITE)) << "nobody asked";
    vchan_notify_request(&byte, VCHAN_NOTIFY_WRITE);
    vchan_notify_request(&byte, VCHAN_NOTIFY_WRITE);
    EXPECT_FALSE(vchan_notify_take(&byte, VCHAN_NOTIFY_READ)) << "asked for the other event";
    EXPECT_TRUE(vchan_notify_take(&byte, VCHAN_NOTIFY_WRITE));
    EXPECT_FALSE(vchan_notify_take(&byte, VCHAN_NOTIFY_WRITE)) << "already kicked";
}

// The actor is held up between storing its index and looking at the bit, as a domain without a processor is.
// An earlier event lets the waiter see that index and wait again; the kick that follows brings no news, but
// takes the bit. Whoever ignores it sleeps for ever.
TEST(vchan_notify, event_without_news_ends_a_wait_whose_bit_it_took) {
    vchan_indices indices{};
    vchan_end writer{};
    vchan_end reader{};
    vchan_end_init(&writer, {.cons = &indices.cons, .prod = &indices.prod}, VCHAN_ORDER_SMALL);
    vchan_end_init(&reader, {.cons = &indices.cons, .prod = &indices.prod}, VCHAN_ORDER_SMALL);
    uint8_t byte = VCHAN_NOTIFY_WRITE;
    uint32_t seen = 0;
    bool moved = false;

    vchan_writer_advance(&writer, 1);
    ASSERT_TRUE(vchan_notify_take(&byte, VCHAN_NOTIFY_WRITE)); // the first kick is on its way
    vchan_notify_request(&byte, VCHAN_NOTIFY_WRITE);           // a waiter that had not seen the byte yet
    vchan_writer_advance(&writer, 1);                          // and here the actor is held up

    ASSERT_TRUE(vchan_notify_ends_wait(&byte, VCHAN_NOTIFY_WRITE, indices.prod, &seen, &moved));
    EXPECT_TRUE(moved);
    vchan_reader_advance(&reader, 2); // the waiter takes both bytes and waits anew: its bit still stands
    vchan_notify_request(&byte, VCHAN_NOTIFY_WRITE);
    EXPECT_FALSE(vchan_notify_ends_wait(&byte, VCHAN_NOTIFY_WRITE, indices.prod, &seen, &moved))
        << "nothing has happened";

    ASSERT_TRUE(vchan_notify_take(&byte, VCHAN_NOTIFY_WRITE)); // the actor goes on: the second kick
    EXPECT_TRUE(vchan_notify_ends_wait(&byte, VCHAN_NOTIFY_WRITE, indices.prod, &seen, &moved))
        << "the waiter's request is gone, and it sleeps";
    EXPECT_FALSE(moved);
}

// A waiter whose bit is still set, and an actor that finds no bit, must not write the shared byte: a write
// would pull the cache line over for nothing. A read-only mapping makes any write crash.
class read_only_byte {
public:
    explicit read_only_byte(uint8_t value) {
        void* page =
            ::mmap(nullptr, VCHAN_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED)
            throw std::system_error(errno, std::generic_category(), "mmap");
        byte_ = static_cast<uint8_t*>(page);
        *byte_ = value;
        if (::mprotect(byte_, VCHAN_PAGE_SIZE, PROT_READ) != 0)
            throw std::system_error(errno, std::generic_category(), "mprotect");
    }
    read_only_byte(const read_only_byte&) = delete;
    read_only_byte& operator=(const read_only_byte&) = delete;
    read_only_byte(read_only_byte&&) = delete;
    read_only_byte& operator=(read_only_byte&&) = delete;
    ~read_only_byte() { ::munmap(byte_, VCHAN_PAGE_SIZE); }

    [[nodiscard]] uint8_t* get() const { return byte_; }

private:
    uint8_t* byte_;
};

TEST(vchan_notify, request_skips_the_write_if_set) {
    const read_only_byte byte{VCHAN_NOTIFY_WRITE | VCHAN_NOTIFY_READ};
    vchan_notify_request(byte.get(), VCHAN_NOTIFY_WRITE);
    vchan_notify_request(byte.get(), VCHAN_NOTIFY_READ);
    EXPECT_EQ(*byte.get(), VCHAN_NOTIFY_WRITE | VCHAN_NOTIFY_READ);
}

TEST(vchan_notify, take_skips_the_write_if_clear) {
    const read_only_byte byte{0};
    EXPECT_FALSE(vchan_notify_take(byte.get(), VCHAN_NOTIFY_WRITE));
    EXPECT_FALSE(vchan_notify_take(byte.get(), VCHAN_NOTIFY_READ));
}

} // namespace
