// SPDX-License-Identifier: MIT
// Cancellation of each operation, and time limits.
#include "asio_test.hpp"

#include "../stream/remote_end.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <random>

namespace xvsock::guest {
namespace {

using namespace asio::experimental::awaitable_operators;

class AsioCancel : public asio_test {
protected:
    asio::awaitable<void> wait_for(std::chrono::milliseconds time) {
        asio::steady_timer timer(context_, time);
        co_await timer.async_wait(asio::use_awaitable);
    }
};

TEST_F(AsioCancel, AReadBySlot) {
    auto socket = connected();
    asio::cancellation_signal signal;
    char byte = 0;
    error_code result;
    socket.async_read_some(
        asio::buffer(&byte, 1),
        asio::bind_cancellation_slot(signal.slot(), [&](error_code error, std::size_t) { result = error; }));
    asio::post(context_, [&] { signal.emit(asio::cancellation_type::total); });
    run();
    EXPECT_EQ(result, asio::error::operation_aborted);
    asio::write(socket, asio::buffer("x", 1)); // the socket is as before
    EXPECT_EQ(asio::read(socket, asio::buffer(&byte, 1)), 1U);
}

TEST_F(AsioCancel, AWriteThatWaitsForRoom) {
    auto socket = connected(service::no_read);
    const std::vector<char> much(16U << 20U);
    asio::cancellation_signal signal;
    error_code result;
    std::size_t written = 0;
    asio::async_write(socket, asio::buffer(much),
                      asio::bind_cancellation_slot(signal.slot(), [&](error_code error, std::size_t size) {
                          result = error;
                          written = size;
                      }));
    asio::steady_timer timer(context_, 500ms);
    timer.async_wait([&](error_code) { signal.emit(asio::cancellation_type::terminal); });
    run();
    EXPECT_EQ(result, asio::error::operation_aborted);
    EXPECT_GT(written, 0U);
    EXPECT_LT(written, much.size());
}

TEST_F(AsioCancel, AnAcceptBySlotAndByClose) {
    protocol::acceptor acceptor(context_, protocol::endpoint(any_port));
    asio::cancellation_signal signal;
    error_code by_slot, by_close;
    acceptor.async_accept(asio::bind_cancellation_slot(
        signal.slot(), [&](error_code error, const protocol::socket&) { by_slot = error; }));
    asio::post(context_, [&] { signal.emit(asio::cancellation_type::total); });
    run();
    EXPECT_EQ(by_slot, asio::error::operation_aborted);
    acceptor.async_accept([&](error_code error, const protocol::socket&) { by_close = error; });
    asio::post(context_, [&] { acceptor.close(); });
    run();
    EXPECT_EQ(by_close, asio::error::operation_aborted);
}

// The peer's answers are held up: a process of its domain has the listener locked.
TEST_F(AsioCancel, AConnectThatWaits) {
    remote_end remote;
    const auto port = remote.listen();
    remote.run(remote_op::lock, {.slot = remote_end::listener});
    protocol::socket socket(context_);
    asio::cancellation_signal signal;
    std::exception_ptr result;
    xvsock::async_connect(socket, server(port),
                          asio::bind_cancellation_slot(
                              signal.slot(), [&](const std::exception_ptr& error) { result = error; }));
    asio::steady_timer timer(context_, 200ms);
    timer.async_wait([&](error_code) { signal.emit(asio::cancellation_type::terminal); });
    run();
    remote.run(remote_op::unlock);
    ASSERT_TRUE(result);
    try {
        std::rethrow_exception(result);
    } catch (const connect_error& error) {
        EXPECT_EQ(error.code(), asio::error::operation_aborted);
        EXPECT_EQ(error.peer(), server(port));
    }
}

TEST_F(AsioCancel, CancelAndCloseEndWhatIsOutstanding) {
    auto socket = connected();
    char byte = 0;
    int aborted = 0;
    const auto count = [&](error_code error, std::size_t) {
        aborted += error == asio::error::operation_aborted;
    };
    socket.async_read_some(asio::buffer(&byte, 1), count);
    asio::post(context_, [&] { socket.cancel(); });
    run();
    EXPECT_EQ(aborted, 1);
    socket.async_read_some(asio::buffer(&byte, 1), count);
    asio::post(context_, [&] { socket.close(); });
    run();
    EXPECT_EQ(aborted, 2);
}

TEST_F(AsioCancel, ATimeLimitForARead) {
    const auto body = [&]() -> asio::awaitable<void> {
        auto socket = connected();
        char byte = 0;
        const auto late = co_await (asio::async_read(socket, asio::buffer(&byte, 1), asio::use_awaitable) ||
                                    wait_for(100ms));
        EXPECT_EQ(late.index(), 1U);
        co_await asio::async_write(socket, asio::buffer("x", 1), asio::use_awaitable);
        const auto early =
            co_await (asio::async_read(socket, asio::buffer(&byte, 1), asio::use_awaitable) || wait_for(30s));
        EXPECT_EQ(early.index(), 0U);
        EXPECT_EQ(byte, 'x');
    };
    run(body());
}

TEST_F(AsioCancel, ATimeLimitForAConnect) {
    remote_end remote;
    const auto port = remote.listen();
    remote.run(remote_op::lock, {.slot = remote_end::listener});
    const auto body = [&]() -> asio::awaitable<void> {
        protocol::socket socket(context_);
        const auto start = steady::now();
        const auto result =
            co_await (xvsock::async_connect(socket, server(port), asio::use_awaitable) || wait_for(200ms));
        EXPECT_EQ(result.index(), 1U);
        EXPECT_LT(steady::now() - start, 1500ms);
    };
    run(body());
    remote.run(remote_op::unlock);
}

TEST_F(AsioCancel, TheKernelsOwnTimeLimit) {
    remote_end remote;
    const auto port = remote.listen();
    remote.run(remote_op::lock, {.slot = remote_end::listener});
    protocol::socket socket(context_, protocol());
    socket.set_option(connect_timeout(300ms));
    const auto start = steady::now();
    error_code error;
    socket.connect(server(port), error);
    EXPECT_EQ(error, asio::error::timed_out);
    EXPECT_LT(steady::now() - start, 1500ms);
    remote.run(remote_op::unlock);
}

// Cancelled and completed operations cross on several threads; each connection keeps to its strand.
TEST_F(AsioCancel, AtAnyMomentOnFourThreads) {
    asio::thread_pool pool(4);
    std::atomic<int> ended = 0;
    const auto session = [&](unsigned seed) -> asio::awaitable<void> {
        std::minstd_rand random(seed);
        const auto executor = co_await asio::this_coro::executor;
        for (int round = 0; round < 15; ++round) {
            protocol::socket socket(executor);
            co_await xvsock::async_connect(socket, server(service::echo), asio::use_awaitable);
            asio::steady_timer timer(executor, std::chrono::microseconds(random() % 5000));
            std::array<char, 64> data{};
            co_await asio::async_write(socket, asio::buffer(data), asio::use_awaitable);
            const auto result = co_await (asio::async_read(socket, asio::buffer(data), asio::use_awaitable) ||
                                          timer.async_wait(asio::use_awaitable));
            EXPECT_EQ(result.index() == 0 ? std::get<0>(result) : data.size(), data.size());
        }
        ++ended;
    };
    for (unsigned i = 0; i < 12; ++i)
        asio::co_spawn(asio::make_strand(pool), session(i + 1), [](const std::exception_ptr& error) {
            if (error)
                std::rethrow_exception(error);
        });
    pool.join();
    EXPECT_EQ(ended, 12);
}

} // namespace
} // namespace xvsock::guest
