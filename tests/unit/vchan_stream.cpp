// SPDX-License-Identifier: MIT
// A GiB through a ring, between two threads and between two processes, in pieces of random sizes, every byte
// compared. Both sides block through the notification bits whenever the ring is empty or full.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <future>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include <sys/wait.h>

#include "vchan_side.hpp"

namespace {

using namespace xvsock::vchan_test;

constexpr uint64_t mib = uint64_t{1} << 20;
constexpr uint64_t gib = uint64_t{1} << 30;

/// An endless pseudo-random stream. It repeats after a prime number of bytes, so that a byte that is late or
/// early by any number of rings or pages is a wrong byte.
class stream {
public:
    explicit stream(uint32_t seed) : bytes_(period + longest) {
        std::mt19937 random{seed};
        std::generate_n(bytes_.begin(), period, [&] { return static_cast<std::byte>(random()); });
        std::copy_n(bytes_.begin(), longest, bytes_.begin() + period);
    }

    /// The n bytes from this position on; n is at most `longest`.
    std::span<const std::byte> at(uint64_t position, uint32_t n) const {
        return std::span(bytes_).subspan(position % period, n);
    }

    static constexpr uint32_t longest = 1u << VCHAN_ORDER_MAX;

private:
    static constexpr uint32_t period = 1'048'573;

    std::vector<std::byte> bytes_;
};

/// Sizes from one byte to the whole ring, each order of magnitude as often as the others, and now and then a
/// pause, so that the other side finds the ring full or empty.
class pace {
public:
    pace(uint32_t seed, uint32_t ring_size) : random_(seed), orders_(std::bit_width(ring_size)) {}

    uint32_t next_size() {
        if (random_() % 4096 == 0)
            std::this_thread::sleep_for(std::chrono::microseconds(200));
        const uint32_t lowest = 1u << random_() % orders_;
        return std::min(lowest + static_cast<uint32_t>(random_()) % lowest, 1u << (orders_ - 1));
    }

private:
    std::minstd_rand random_;
    uint32_t orders_;
};

template <class Event>
void expect_next(side<Event>& us, const stream& expected, uint64_t& received, uint32_t want) {
    us.read_some(want, [&](std::span<const std::byte> bytes) {
        const auto wanted = expected.at(received, static_cast<uint32_t>(bytes.size()));
        if (std::memcmp(bytes.data(), wanted.data(), bytes.size()) != 0)
            throw broken_ring("a wrong byte in the piece at position " + std::to_string(received));
        received += bytes.size();
    });
}

template <class Event> void send(side<Event>& us, const stream& data, uint64_t total) {
    pace pace{1, us.write_size()};
    for (uint64_t sent = 0; sent < total;) {
        const auto n = static_cast<uint32_t>(std::min<uint64_t>(pace.next_size(), total - sent));
        us.wait_for_space(1);
        sent += us.write_some(data.at(sent, n));
    }
}

template <class Event> void receive(side<Event>& us, const stream& data, uint64_t total) {
    pace pace{2, us.read_size()};
    for (uint64_t received = 0; received < total;) {
        us.wait_for_data(1);
        expect_next(us, data, received, pace.next_size());
    }
}

/// Both directions at the same time in one thread, as a side with one event channel does it.
template <class Event>
void exchange(side<Event>& us, const stream& to_send, const stream& to_receive, uint64_t total) {
    pace pace{3, std::min(us.write_size(), us.read_size())};
    uint64_t sent = 0, received = 0;
    while (sent < total || received < total) {
        if (sent < total)
            sent += us.write_some(
                to_send.at(sent, static_cast<uint32_t>(std::min<uint64_t>(pace.next_size(), total - sent))));
        expect_next(us, to_receive, received, pace.next_size());
        if (us.avail() > 0 || (us.space() > 0 && sent < total))
            continue;
        if (sent < total)
            us.wait_for_either();
        else if (received < total)
            us.wait_for_data(1);
    }
}

struct two_sides {
    explicit two_sides(uint32_t left_order, uint32_t right_order,
                       mapping client_mapping = mapping::contiguous,
                       mapping server_mapping = mapping::contiguous, vchan_layout layout = VCHAN_LAYOUT_XEN)
        : vchan(left_order, right_order, layout),
          client(vchan, role::client, client_event, server_event, client_mapping),
          server(vchan, role::server, server_event, client_event, server_mapping) {}

    shared_vchan vchan;
    blocking_event client_event;
    blocking_event server_event;
    side<blocking_event> client;
    side<blocking_event> server;
};

void move_between_threads(two_sides& sides, uint64_t total) {
    const stream data{1};
    auto receiving = std::async(std::launch::async, [&] { receive(sides.server, data, total); });
    EXPECT_NO_THROW(send(sides.client, data, total));
    EXPECT_NO_THROW(receiving.get());
}

/// Runs body in a child process; its exit status, 0 if body returned.
class child_process {
public:
    template <class Body> explicit child_process(Body body) {
        std::fflush(nullptr);
        pid_ = ::fork();
        if (pid_ < 0)
            throw std::system_error(errno, std::generic_category(), "fork");
        if (pid_ > 0)
            return;
        int status = 0;
        try {
            body();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "in the child: %s\n", error.what());
            status = 1;
        }
        ::_exit(status);
    }
    child_process(const child_process&) = delete;
    child_process& operator=(const child_process&) = delete;
    child_process(child_process&&) = delete;
    child_process& operator=(child_process&&) = delete;
    ~child_process() {
        if (pid_ > 0)
            wait();
    }

    /// Blocks until the child has ended, which its watchdog sees to.
    int wait() {
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        pid_ = 0;
        return status;
    }

private:
    pid_t pid_ = 0;
};

TEST(vchan_stream, gib_between_two_threads) {
    two_sides sides{16, 12};
    move_between_threads(sides, gib);
    EXPECT_GT(sides.client.sleeps(), 0u) << "the ring was never full";
    EXPECT_GT(sides.server.sleeps(), 0u) << "the ring was never empty";
}

TEST(vchan_stream, gib_between_two_processes) {
    two_sides sides{16, 12, mapping::scattered, mapping::contiguous};
    boost::interprocess::mapped_region child_sleeps{
        boost::interprocess::anonymous_shared_memory(sizeof(uint64_t))};
    auto& sleeps_of_child = *static_cast<uint64_t*>(child_sleeps.get_address());
    const stream data{2};

    child_process child{[&] {
        receive(sides.server, data, gib);
        sleeps_of_child = sides.server.sleeps();
    }};
    EXPECT_NO_THROW(send(sides.client, data, gib));
    EXPECT_EQ(child.wait(), 0);
    EXPECT_GT(sides.client.sleeps(), 0u) << "the ring was never full";
    EXPECT_GT(sleeps_of_child, 0u) << "the ring was never empty";
}

TEST(vchan_stream, both_directions_in_the_one_page_between_threads) {
    two_sides sides{VCHAN_ORDER_SMALL, VCHAN_ORDER_LARGE};
    const stream to_server{3}, to_client{4};
    auto serving =
        std::async(std::launch::async, [&] { exchange(sides.server, to_client, to_server, 64 * mib); });
    EXPECT_NO_THROW(exchange(sides.client, to_server, to_client, 64 * mib));
    EXPECT_NO_THROW(serving.get());
}

TEST(vchan_stream, both_directions_in_the_one_wide_page_between_threads) {
    two_sides sides{VCHAN_ORDER_SMALL, VCHAN_ORDER_LARGE, mapping::contiguous, mapping::contiguous,
                    VCHAN_LAYOUT_WIDE};
    const stream to_server{7}, to_client{8};
    auto serving =
        std::async(std::launch::async, [&] { exchange(sides.server, to_client, to_server, 64 * mib); });
    EXPECT_NO_THROW(exchange(sides.client, to_server, to_client, 64 * mib));
    EXPECT_NO_THROW(serving.get());
}

TEST(vchan_stream, both_directions_in_large_rings_between_processes) {
    two_sides sides{15, 13, mapping::contiguous, mapping::scattered};
    const stream to_server{5}, to_client{6};
    child_process child{[&] { exchange(sides.server, to_client, to_server, 256 * mib); }};
    EXPECT_NO_THROW(exchange(sides.client, to_server, to_client, 256 * mib));
    EXPECT_EQ(child.wait(), 0);
}

class vchan_stream_order : public testing::TestWithParam<uint32_t> {};

INSTANTIATE_TEST_SUITE_P(order, vchan_stream_order, testing::Range(VCHAN_ORDER_MIN, VCHAN_ORDER_MAX + 1),
                         testing::PrintToStringParamName());

TEST_P(vchan_stream_order, between_two_threads) {
    const uint32_t order = GetParam();
    for (const auto layout : {VCHAN_LAYOUT_XEN, VCHAN_LAYOUT_WIDE}) {
        two_sides sides{order, order == VCHAN_ORDER_LARGE ? VCHAN_ORDER_SMALL : VCHAN_ORDER_LARGE,
                        mapping::scattered, order % 2 ? mapping::scattered : mapping::contiguous, layout};
        move_between_threads(sides, 16 * mib);
    }
}

} // namespace
