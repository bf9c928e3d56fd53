// SPDX-License-Identifier: MIT
// One socket in several hands: dup(), fork(), threads.
#include "stream_test.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include <sys/wait.h>

#include "held_lock.hpp"

namespace xvsock::guest {
namespace {

class Shared : public both_roles {};

TEST_P(Shared, DuplicateKeepsTheConnection) {
    descriptor copy{::dup(socket.get())};
    socket.close();
    send_pattern(copy.get(), 1000);
    remote.expect(1000);
    EXPECT_EQ(remote.run(remote_op::poll, {.size = 100, .number = POLLRDHUP}).result, 0);
    remote.send(1000);
    expect_pattern(copy.get(), 1000);
    copy.close();
    remote.expect_rest(0);
}

TEST_P(Shared, ChildWritesAndParentReads) {
    const auto child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        const auto data = pattern_bytes(0, 100000);
        ::_exit(send_all(socket.get(), data.data(), data.size()) ? 0 : 1);
    }
    remote.expect(100000);
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(remote.run(remote_op::poll, {.size = 100, .number = POLLRDHUP}).result, 0)
        << "the parent has it";
    remote.send(1000);
    expect_pattern(socket.get(), 1000);
    socket.close();
    remote.expect_rest(0);
}

TEST_P(Shared, ShutdownIsForEverybody) {
    const auto child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0)
        ::_exit(::shutdown(socket.get(), SHUT_WR) == 0 ? 0 : 1);
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(::send(socket.get(), "x", 1, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, EPIPE);
    remote.expect_rest(0);
}

// One reads while the other writes, each as much as it can.
TEST_P(Shared, OneThreadReadsAndOneWrites) {
    remote.begin(remote_op::echo);
    expect_echo(socket.get(), 4 << 20, 1);
    ASSERT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
    EXPECT_EQ(remote.finish().result, 4 << 20);
}

// Every byte goes to exactly one of the readers: as many of each value as were sent.
TEST_P(Shared, SeveralThreadsRead) {
    constexpr std::size_t size = 1 << 20;
    using histogram = std::array<std::size_t, 256>;
    std::array<histogram, 3> counts{};
    std::vector<std::jthread> readers;
    readers.reserve(counts.size());
    for (auto& count : counts)
        readers.emplace_back([&] {
            std::vector<std::uint8_t> buffer(5000);
            for (;;) {
                const auto got = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
                ASSERT_GE(got, 0) << std::strerror(errno);
                if (got == 0)
                    return;
                std::for_each_n(buffer.begin(), got, [&](std::uint8_t byte) { ++count[byte]; });
            }
        });
    remote.send(size);
    remote.shut(SHUT_WR);
    for (auto& reader : readers)
        reader.join();
    histogram expected{};
    for (const auto byte : pattern_bytes(0, size))
        ++expected[byte];
    for (std::size_t value = 0; value < 256; ++value)
        EXPECT_EQ(counts[0][value] + counts[1][value] + counts[2][value], expected[value]) << "of " << value;
}

// What each writer sent arrives in his order, whatever comes between.
TEST_P(Shared, SeveralThreadsWrite) {
    constexpr std::size_t each = 300000;
    remote.begin(remote_op::echo);
    std::array<std::jthread, 4> writers;
    for (std::size_t writer = 0; writer < writers.size(); ++writer)
        writers[writer] = std::jthread([&, writer] {
            // The upper two bits say who, the others count.
            std::vector<std::uint8_t> data(each);
            for (std::size_t i = 0; i < each; ++i)
                data[i] = static_cast<std::uint8_t>(writer << 6U | i % 61);
            for (std::size_t at = 0; at < each; at += 3000)
                ASSERT_TRUE(send_all(socket.get(), data.data() + at, 3000));
        });
    std::array<std::size_t, 4> seen{};
    std::vector<std::uint8_t> got(each * writers.size());
    EXPECT_EQ(receive_all(socket.get(), got.data(), got.size()), got.size());
    std::size_t wrong = 0;
    for (const auto byte : got)
        wrong += (byte & 63U) != seen[byte >> 6U]++ % 61;
    EXPECT_EQ(wrong, 0U);
    for (const auto count : seen)
        EXPECT_EQ(count, each);
    for (auto& writer : writers)
        writer.join();
    ASSERT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
    EXPECT_EQ(remote.finish().result, static_cast<std::int64_t>(got.size()));
}

// A thread that waits in recv() does not keep another one from sending, nor from giving it an end.
TEST_P(Shared, AReaderThatWaitsIsInNobodysWay) {
    std::atomic<pid_t> id = 0;
    std::jthread reader([&] {
        id = ::gettid();
        expect_pattern(socket.get(), 1000);
        expect_end(socket.get());
    });
    while (id == 0)
        std::this_thread::yield();
    wait_until_asleep(id);
    send_pattern(socket.get(), 300);
    remote.expect(300);
    remote.send(1000);
    std::this_thread::sleep_for(50ms);
    ASSERT_EQ(::shutdown(socket.get(), SHUT_RD), 0);
    reader.join();
}

// While one user holds the socket's lock, what comes waits for him and is not lost; others are not held up.
TEST_P(Shared, WhatComesWaitsForTheLock) {
    {
        const held_lock lock(socket.get());
        remote.send(1500);
        remote.close();
        auto other = connect_to(service::echo);
        expect_echo(other.get(), 100000, 1);
    }
    expect_pattern(socket.get(), 1500);
    expect_end(socket.get());
}

// Readers, writers, poll() and closing, all at once, many times: nothing hangs.
TEST_P(Shared, ClosedUnderEverybodysHands) {
    for (std::uint32_t round = 0; round < 20; ++round) {
        auto victim = make_pair(remote, GetParam(), {}, 1);
        std::array<descriptor, 3> copies;
        for (auto& copy : copies)
            copy = descriptor{::dup(victim.get())};
        std::jthread reader([&] {
            std::vector<char> buffer(5000);
            while (::recv(copies[0].get(), buffer.data(), buffer.size(), 0) > 0)
                ;
        });
        std::jthread writer([&] {
            const std::vector<char> buffer(5000);
            while (::send(copies[1].get(), buffer.data(), buffer.size(), MSG_NOSIGNAL) > 0)
                ;
        });
        std::jthread poller([&] {
            while ((poll_events(copies[2].get(), POLLIN | POLLRDHUP) & (POLLHUP | POLLRDHUP)) == 0)
                ;
        });
        remote.send(20000, 0, 1);
        if (round % 2 == 0)
            remote.close(1);
        else
            EXPECT_EQ(::shutdown(victim.get(), SHUT_RDWR), 0);
        victim.close();
        reader.join();
        writer.join();
        poller.join();
    }
}

IN_BOTH_ROLES(Shared);

} // namespace
} // namespace xvsock::guest
