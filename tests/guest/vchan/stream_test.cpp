// SPDX-License-Identifier: MIT
// Bytes between two guests that have no module.
#include "vchan_test.hpp"

#include <thread>

namespace xvsock::guest {
namespace {

class VchanStream : public vchan_test {};

TEST_F(VchanStream, EchoesSingleBytes) {
    run([this]() -> asio::awaitable<void> {
        auto stream = co_await echoed();
        for (char byte = 0; byte < 100; ++byte) {
            char back = -1;
            co_await asio::async_write(stream, asio::buffer(&byte, 1), use_awaitable);
            co_await asio::async_read(stream, asio::buffer(&back, 1), use_awaitable);
            EXPECT_EQ(back, byte);
        }
        co_await stream.async_close(use_awaitable);
    });
}

TEST_F(VchanStream, MovesMuchBothWaysAtOnce) {
    run([this]() -> asio::awaitable<void> {
        auto stream = co_await echoed();
        co_await must_echo(stream, 16U << 20);
        co_await stream.async_close(use_awaitable);
    });
}

TEST_F(VchanStream, OffersToTheOtherGuest) {
    for (const auto rings : {vchan_rings{1024, 2048}, vchan_rings{2048, 4096}, vchan_rings{1 << 20, 1 << 20}})
        run([this, rings]() -> asio::awaitable<void> {
            vchan_stream stream(context);
            co_await visited(stream, rings);
            co_await must_echo(stream, 1'000'000);
            co_await stream.async_close(use_awaitable);
        });
}

// xen-gntalloc lets a domain grant 1,024 pages.
TEST_F(VchanStream, ManyAtOnceInSeveralThreads) {
    constexpr int count = 10;
    std::atomic<int> done = 0;
    std::vector<vchan_stream> streams;
    for (int i = 0; i < count; ++i)
        run([&]() -> asio::awaitable<void> { streams.push_back(co_await echoed()); });
    for (auto& stream : streams)
        asio::co_spawn(
            asio::make_strand(context),
            [&]() -> asio::awaitable<void> {
                co_await must_echo(stream, 1'000'000);
                co_await stream.async_close(use_awaitable);
                ++done;
            },
            [](const std::exception_ptr& error) {
                if (error)
                    std::rethrow_exception(error);
            });
    context.restart();
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([this] { context.run_for(60s); });
    }
    EXPECT_EQ(done, count);
}

// Each client of a path finds an offer that nobody has used.
TEST_F(VchanStream, OnePathServesOneClientAfterTheOther) {
    for (int i = 0; i < 10; ++i)
        run([this]() -> asio::awaitable<void> { EXPECT_EQ(co_await tell("nothing"), "ok\n"); });
}

} // namespace
} // namespace xvsock::guest
