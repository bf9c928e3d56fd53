// SPDX-License-Identifier: MIT
// Index and span arithmetic of one ring: wrap-around at every offset, scattered and contiguous memory, and
// every index that a hostile other side could make up. The expected values come from 64-bit arithmetic with
// division and from bytes moved one at a time, not from the masks under test.
#include <vchan/ring.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace {

constexpr uint64_t index_range = uint64_t{1} << 32;

/// Where the ring's indices start: at zero, in the middle, and where they wrap at 2^32 or change sign.
std::vector<uint32_t> index_bases(uint32_t size) {
    return {0,
            size,
            0x7fff'ffffu - size / 2,
            0x8000'0000u,
            static_cast<uint32_t>(index_range - size),
            static_cast<uint32_t>(index_range - 2 * uint64_t{size})};
}

struct ring_under_test {
    explicit ring_under_test(uint32_t order, uint32_t start = 0) {
        const vchan_places at{.cons = &indices.cons, .prod = &indices.prod};
        vchan_end_init(&writer, at, order);
        vchan_end_init(&reader, at, order);
        move_to(start);
    }

    /// As if `start` bytes had been sent and received before.
    void move_to(uint32_t start) {
        indices = {.cons = start, .prod = start};
        writer.index = writer.seen = reader.index = start;
    }

    vchan_indices indices{};
    vchan_end writer{};
    vchan_end reader{};
};

class vchan_ring : public testing::TestWithParam<uint32_t> {
protected:
    uint32_t order() const { return GetParam(); }
    uint32_t size() const { return uint32_t{1} << order(); }
};

INSTANTIATE_TEST_SUITE_P(order, vchan_ring, testing::Range(VCHAN_ORDER_MIN, VCHAN_ORDER_MAX + 1),
                         testing::PrintToStringParamName());

TEST_P(vchan_ring, starts_empty_at_index_zero) {
    ring_under_test ring{order()};
    uint32_t space = 0, avail = 1;
    EXPECT_EQ(ring.writer.index, 0u);
    EXPECT_EQ(ring.writer.size, size());
    EXPECT_TRUE(vchan_writer_space(&ring.writer, &space));
    EXPECT_EQ(space, size());
    EXPECT_TRUE(vchan_reader_avail(&ring.reader, &avail));
    EXPECT_EQ(avail, 0u);
}

// The indices run over every offset of the ring, a few times round, and over the end of 2^32.
TEST_P(vchan_ring, space_and_avail_add_up_at_every_offset) {
    for (const uint32_t base : index_bases(size())) {
        ring_under_test ring{order(), base};
        std::minstd_rand random{base};
        uint64_t written = base, read = base;
        for (uint32_t offset = 0; offset < size(); ++offset) {
            const auto in_ring = static_cast<uint32_t>(written - read);
            uint32_t space = 0, avail = 0;
            ASSERT_TRUE(vchan_writer_space(&ring.writer, &space));
            ASSERT_TRUE(vchan_reader_avail(&ring.reader, &avail));
            ASSERT_EQ(space, size() - in_ring) << "offset " << offset << " from " << base;
            ASSERT_EQ(avail, in_ring) << "offset " << offset << " from " << base;

            // any fill level that keeps the reader moving by one: the ring is also full and empty at times
            const uint32_t n = offset % 7 == 0 ? space : static_cast<uint32_t>(random() % (space + 1));
            vchan_writer_advance(&ring.writer, n);
            written += n;
            if (written == read)
                continue;
            const uint32_t taken = offset % 5 == 0 ? static_cast<uint32_t>(written - read) : 1;
            vchan_reader_advance(&ring.reader, taken);
            read += taken;
            ASSERT_EQ(ring.indices.prod, static_cast<uint32_t>(written));
            ASSERT_EQ(ring.indices.cons, static_cast<uint32_t>(read));
        }
    }
}

/// What vchan_span_at() has to return, by division and with 64-bit positions that never wrap.
vchan_span expected_span(uint64_t position, uint32_t size, uint32_t want, uint32_t unit) {
    const auto offset = static_cast<uint32_t>(position % size);
    const uint32_t piece_end = std::min((offset / unit + 1) * unit, size);
    return {.offset = offset, .length = std::min(want, piece_end - offset)};
}

TEST_P(vchan_ring, span_at_every_offset) {
    const std::array<uint32_t, 3> units{VCHAN_PAGE_SIZE, size(), 1u << VCHAN_ORDER_MAX};
    const std::array<uint32_t, 9> lengths{0, 1, 2, 1023, 4095, 4096, 4097, size() - 1, size()};
    for (const uint32_t base : {uint32_t{0}, static_cast<uint32_t>(index_range - size())}) {
        ring_under_test ring{order()};
        for (uint32_t offset = 0; offset < size(); ++offset) {
            ring.move_to(base + offset);
            for (const uint32_t unit : units) {
                for (const uint32_t want : lengths) {
                    const vchan_span span = vchan_span_at(&ring.writer, 0, want, unit);
                    const vchan_span expected = expected_span(uint64_t{base} + offset, size(), want, unit);
                    ASSERT_TRUE(span.offset == expected.offset && span.length == expected.length)
                        << "offset " << offset << ", " << want << " bytes, unit " << unit << ": got "
                        << span.offset << '+' << span.length << ", expected " << expected.offset << '+'
                        << expected.length;
                }
            }
        }
    }
}

TEST_P(vchan_ring, spans_ahead_cover_a_transfer_once) {
    std::mt19937 random{order()};
    for (const uint32_t unit : {VCHAN_PAGE_SIZE, size()}) {
        for (int round = 0; round < 2000; ++round) {
            const auto start = static_cast<uint32_t>(random());
            const ring_under_test ring{order(), start};
            const uint32_t length = round % 3 == 0 ? size() : static_cast<uint32_t>(random() % size());
            uint32_t ahead = 0;
            while (ahead < length) {
                const vchan_span span = vchan_span_at(&ring.reader, ahead, length - ahead, unit);
                const vchan_span expected =
                    expected_span(uint64_t{start} + ahead, size(), length - ahead, unit);
                ASSERT_EQ(span.offset, expected.offset) << "index " << start << " + " << ahead;
                ASSERT_EQ(span.length, expected.length) << "index " << start << " + " << ahead;
                ASSERT_GT(span.length, 0u);
                ahead += span.length;
            }
            ASSERT_EQ(ahead, length);
        }
    }
}

/// One transfer of `length` bytes at index `start` through real memory. The ring and the received bytes are
/// checked against the bytes' places by division.
void expect_transfer(std::vector<uint8_t>& memory, uint32_t order, uint32_t start, uint32_t length,
                     uint32_t write_unit, uint32_t read_unit) {
    const auto size = static_cast<uint32_t>(memory.size());
    const auto byte_at = [start](uint32_t i) {
        return static_cast<uint8_t>((start + i) * 167 + i / 251 + 1);
    };
    ring_under_test ring{order, start};

    std::fill(memory.begin(), memory.end(), uint8_t{0});
    for (uint32_t done = 0; done < length;) {
        const vchan_span span = vchan_span_at(&ring.writer, done, length - done, write_unit);
        ASSERT_LE(uint64_t{span.offset} + span.length, size);
        for (uint32_t i = 0; i < span.length; ++i)
            memory[span.offset + i] = byte_at(done + i);
        done += span.length;
    }
    vchan_writer_advance(&ring.writer, length);

    uint32_t avail = 0, space = 0;
    ASSERT_TRUE(vchan_reader_avail(&ring.reader, &avail));
    ASSERT_EQ(avail, length);
    ASSERT_TRUE(vchan_writer_space(&ring.writer, &space));
    ASSERT_EQ(space, size - length);
    for (uint32_t i = 0; i < length; ++i)
        ASSERT_EQ(memory[(uint64_t{start} + i) % size], byte_at(i)) << "byte " << i << " at index " << start;

    for (uint32_t done = 0; done < length;) {
        const vchan_span span = vchan_span_at(&ring.reader, done, length - done, read_unit);
        for (uint32_t i = 0; i < span.length; ++i)
            ASSERT_EQ(memory[span.offset + i], byte_at(done + i))
                << "byte " << done + i << " at index " << start;
        done += span.length;
    }
    vchan_reader_advance(&ring.reader, length);
    ASSERT_TRUE(vchan_writer_space(&ring.writer, &space));
    ASSERT_EQ(space, size);
}

TEST(vchan_transfer, wraps_at_every_offset_of_the_small_ring) {
    constexpr uint32_t size = 1u << VCHAN_ORDER_SMALL;
    std::vector<uint8_t> memory(size);
    for (uint32_t offset = 0; offset < size; ++offset) {
        const std::array<uint32_t, 10> lengths{0,   1,        2,        3,   size - offset, size - offset - 1,
                                               511, size - 2, size - 1, size};
        for (const uint32_t base : {uint32_t{0}, static_cast<uint32_t>(index_range - size)}) {
            for (const uint32_t length : lengths) {
                expect_transfer(memory, VCHAN_ORDER_SMALL, base + offset, length, size, VCHAN_PAGE_SIZE);
                ASSERT_FALSE(testing::Test::HasFatalFailure());
            }
        }
    }
}

// A writer that sees one mapping and a reader that sees scattered pages share a ring, and the other way
// round.
TEST_P(vchan_ring, scattered_and_contiguous_sides_agree) {
    std::vector<uint8_t> memory(size());
    std::mt19937 random{order()};
    for (int round = 0; round < 12; ++round) {
        auto start = static_cast<uint32_t>(random());
        if (round % 4 == 0) // around the wrap of the indices, which is also one of the ring
            start = static_cast<uint32_t>(index_range - 1 - random() % size());
        const uint32_t length = round < 2 ? size() : static_cast<uint32_t>(random() % size());
        const bool writer_scattered = round % 2 == 0;
        expect_transfer(memory, order(), start, length, writer_scattered ? VCHAN_PAGE_SIZE : size(),
                        writer_scattered ? size() : VCHAN_PAGE_SIZE);
        ASSERT_FALSE(HasFatalFailure());
    }
}

/// Offers the index `theirs` to both sides at private index `ours`. Valid are, by 64-bit arithmetic, those
/// that leave between 0 and size bytes in the ring; everything else must be refused and change nothing.
void expect_judged(uint32_t order, uint32_t ours, uint32_t theirs) {
    const uint64_t size = uint64_t{1} << order;
    ring_under_test ring{order, ours};

    ring.indices.cons = theirs;
    const uint64_t used = (index_range + ours - theirs) % index_range;
    uint32_t space = 0xdead;
    ASSERT_EQ(vchan_writer_space(&ring.writer, &space), used <= size)
        << "prod " << ours << ", cons " << theirs;
    ASSERT_EQ(space, used <= size ? size - used : 0) << "prod " << ours << ", cons " << theirs;
    ASSERT_EQ(ring.writer.index, ours);
    ASSERT_EQ(ring.indices.cons, theirs);

    ring.move_to(ours);
    ring.indices.prod = theirs;
    const uint64_t filled = (index_range + theirs - ours) % index_range;
    uint32_t avail = 0xdead;
    ASSERT_EQ(vchan_reader_avail(&ring.reader, &avail), filled <= size)
        << "cons " << ours << ", prod " << theirs;
    ASSERT_EQ(avail, filled <= size ? filled : 0) << "cons " << ours << ", prod " << theirs;
    ASSERT_EQ(ring.reader.index, ours);
    ASSERT_EQ(ring.indices.prod, theirs);
}

TEST(vchan_invalid_index, exhaustive_around_the_borders_of_the_small_ring) {
    constexpr uint32_t size = 1u << VCHAN_ORDER_SMALL;
    const std::array<uint32_t, 10> private_indices{
        0, 1, size - 1, size, size + 1, 0x7fff'ffffu, 0x8000'0000u, 0xffff'ffffu, 0u - size, 12345};
    for (const uint32_t ours : private_indices) {
        for (const uint32_t border : {ours, ours + 0x8000'0000u}) {
            for (uint32_t step = 0; step <= 6 * size; ++step) {
                expect_judged(VCHAN_ORDER_SMALL, ours, border - 3 * size + step);
                ASSERT_FALSE(testing::Test::HasFatalFailure());
            }
        }
    }
}

TEST_P(vchan_ring, invalid_index_refused_at_the_borders) {
    for (const uint32_t ours : index_bases(size())) {
        for (const uint32_t border : {ours, ours - size(), ours + size(), ours + 0x8000'0000u}) {
            for (uint32_t step = 0; step <= 64; ++step) {
                expect_judged(order(), ours, border - 32 + step);
                ASSERT_FALSE(HasFatalFailure());
            }
        }
    }
}

TEST_P(vchan_ring, invalid_index_refused_at_random) {
    std::mt19937 random{order()};
    for (int round = 0; round < 200'000; ++round) {
        const auto ours = static_cast<uint32_t>(random());
        // half of them anywhere, half within two ring sizes, where valid and invalid ones meet
        const auto theirs = round % 2 == 0
                                ? static_cast<uint32_t>(random())
                                : ours + static_cast<uint32_t>(random()) % (4 * size()) - 2 * size();
        expect_judged(order(), ours, theirs);
        ASSERT_FALSE(HasFatalFailure());
    }
}

// The page is the peer's to scribble on: our own shared copies must never be read back.
TEST_P(vchan_ring, own_shared_index_is_never_read_back) {
    ring_under_test ring{order(), 500};
    uint32_t space = 0, avail = 0;

    vchan_writer_advance(&ring.writer, 10);
    ring.indices.prod = 0xdead'beef;
    ASSERT_TRUE(vchan_writer_space(&ring.writer, &space));
    EXPECT_EQ(space, size() - 10);
    vchan_writer_advance(&ring.writer, 5);
    EXPECT_EQ(ring.indices.prod, 515u);

    ring.indices.cons = 0xdead'beef;
    ASSERT_TRUE(vchan_reader_avail(&ring.reader, &avail));
    EXPECT_EQ(avail, 15u);
    vchan_reader_advance(&ring.reader, 15);
    EXPECT_EQ(ring.indices.cons, 515u);
}

// What was seen once is enough until it is used up: until then the reader's index, here impossible, is not
// read.
TEST_P(vchan_ring, room_seen_before_is_used_up_first) {
    for (const uint32_t base : index_bases(size())) {
        ring_under_test ring{order(), base};
        const uint32_t impossible = base + 2 * size();
        uint32_t space = 0;
        ring.indices.cons = impossible;
        ASSERT_TRUE(vchan_writer_space_for(&ring.writer, size(), &space));
        EXPECT_EQ(space, size());
        vchan_writer_advance(&ring.writer, size() - 10);
        ASSERT_TRUE(vchan_writer_space_for(&ring.writer, 10, &space));
        EXPECT_EQ(space, 10u);

        EXPECT_FALSE(vchan_writer_space_for(&ring.writer, 11, &space));
        EXPECT_EQ(space, 0u);
        ASSERT_TRUE(vchan_writer_space_for(&ring.writer, 10, &space)) << "a lie is not kept";
        EXPECT_EQ(space, 10u);

        ring.indices.cons = base + 60;
        ASSERT_TRUE(vchan_writer_space_for(&ring.writer, 11, &space));
        EXPECT_EQ(space, 70u);
        ring.indices.cons = impossible;
        ASSERT_TRUE(vchan_writer_space_for(&ring.writer, 70, &space));
        EXPECT_EQ(space, 70u);
    }
}

// A reader's index that goes back is not the truth, but there is never more room than the ring has.
TEST_P(vchan_ring, index_that_goes_back_is_bounded_by_the_ring) {
    std::mt19937 random{order()};
    ring_under_test ring{order()};
    for (int round = 0; round < 100'000; ++round) {
        ring.indices.cons = ring.writer.index - static_cast<uint32_t>(random()) % (size() + 1);
        uint32_t space = 0;
        ASSERT_TRUE(vchan_writer_space_for(&ring.writer, static_cast<uint32_t>(random()) % size(), &space));
        ASSERT_LE(space, size());
        vchan_writer_advance(&ring.writer, static_cast<uint32_t>(random()) % (space + 1));
        ASSERT_LE(ring.writer.index - ring.writer.seen, size());
    }
}

} // namespace
