// SPDX-License-Identifier: MIT
// Bytes through the rings, of all sizes, and through many connections.
#include "stream_test.hpp"

#include <array>
#include <numeric>
#include <thread>

namespace xvsock::guest {
namespace {

class Echo : public testing::TestWithParam<std::size_t> {};

TEST_P(Echo, ComesBackUnchanged) {
    auto socket = connect_to(service::echo);
    expect_echo(socket.get(), GetParam(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Sizes, Echo,
                         testing::Values(1, 2, 1023, 1024, 1025, 2049, 4095, 4096, 4097, 65536, 262143,
                                         262144, 262145, 1048577, 8 << 20));

TEST(Stream, DataSurvivesTheSendersClose) {
    for (const std::uint64_t size : {1UL, 1000UL, 100000UL, 1UL << 20}) {
        auto socket = connect_to(service::source);
        ASSERT_TRUE(send_all(socket.get(), &size, sizeof size));
        std::this_thread::sleep_for(100ms); // by now the server has closed, or waits for room
        std::vector<std::uint8_t> got(size + 1);
        ASSERT_EQ(receive_all(socket.get(), got.data(), got.size()), size);
        got.pop_back();
        EXPECT_TRUE(got == pattern_bytes(0, size));
    }
}

TEST(Stream, HalfCloseLeavesTheOtherDirection) {
    auto socket = connect_to(service::count);
    const auto data = pattern_bytes(0, 300000);
    ASSERT_TRUE(send_all(socket.get(), data.data(), data.size()));
    ASSERT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
    std::array<std::uint64_t, 2> result{};
    ASSERT_EQ(receive_all(socket.get(), result.data(), sizeof result), sizeof result);
    EXPECT_EQ(result[0], data.size());
    EXPECT_EQ(result[1], std::accumulate(data.begin(), data.end(), std::uint64_t{0}));
    expect_end(socket.get());
}

TEST(Many, ConnectionsMoveDataAtOnce) {
    constexpr std::size_t connections = 400;
    std::vector<descriptor> sockets;
    for (std::size_t i = 0; i < connections; ++i) {
        sockets.push_back(connect_to(service::echo));
        ASSERT_FALSE(testing::Test::HasFailure()) << "at connection " << i;
    }
    // Every connection has a message of its own on the way at the same time.
    constexpr std::size_t size = 900;
    for (std::size_t i = 0; i < connections; ++i) {
        const auto data = pattern_bytes(i * 7919, size);
        ASSERT_TRUE(send_all(sockets[i].get(), data.data(), data.size()));
    }
    for (std::size_t i = 0; i < connections; ++i) {
        std::vector<std::uint8_t> got(size);
        ASSERT_EQ(receive_all(sockets[i].get(), got.data(), size), size) << "connection " << i;
        EXPECT_TRUE(got == pattern_bytes(i * 7919, size)) << "connection " << i;
    }
}

TEST(Many, CyclesLeaveNothingBehind) {
    for (int i = 0; i < 200; ++i) {
        auto socket = connect_to(service::echo);
        ASSERT_TRUE(send_all(socket.get(), "x", 1));
        char byte = 0;
        ASSERT_EQ(receive_all(socket.get(), &byte, 1), 1U) << "in cycle " << i;
    }
}

} // namespace
} // namespace xvsock::guest
