// SPDX-License-Identifier: MIT
// Completion tokens: callbacks, futures, coroutines and deferred operations.
#include "asio_test.hpp"

#include "../stream/remote_end.hpp"

#include <boost/asio/deferred.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <memory>
#include <thread>

namespace xvsock::guest {
namespace {

class AsioToken : public asio_test {};

// A session by callbacks alone keeps itself alive.
class callback_session : public std::enable_shared_from_this<callback_session> {
public:
    callback_session(asio::io_context& context, int rounds) : socket_(context), rounds_(rounds) {}

    void start() {
        xvsock::async_connect(socket_, server(service::echo),
                              [self = shared_from_this()](const std::exception_ptr& error) {
                                  EXPECT_FALSE(error);
                                  if (!error)
                                      self->write();
                              });
    }

    int done = 0;

private:
    void write() {
        asio::async_write(socket_, asio::buffer(sent_),
                          [self = shared_from_this()](error_code error, std::size_t) {
                              EXPECT_FALSE(error) << error;
                              self->read();
                          });
    }

    void read() {
        asio::async_read(socket_, asio::buffer(got_),
                         [self = shared_from_this()](error_code error, std::size_t) {
                             EXPECT_FALSE(error) << error;
                             EXPECT_EQ(self->got_, self->sent_);
                             if (!error && ++self->done < self->rounds_)
                                 self->write();
                         });
    }

    protocol::socket socket_;
    int rounds_;
    std::string sent_ = "callback";
    std::string got_ = std::string(8, '\0');
};

TEST_F(AsioToken, Callbacks) {
    const auto session = std::make_shared<callback_session>(context_, 20);
    session->start();
    run();
    EXPECT_EQ(session->done, 20);
}

TEST_F(AsioToken, Futures) {
    auto work = asio::make_work_guard(context_);
    std::thread runner([&] { context_.run(); });
    {
        protocol::socket socket(context_);
        xvsock::async_connect(socket, server(service::echo), asio::use_future).get();
        EXPECT_EQ(asio::async_write(socket, asio::buffer("future", 6), asio::use_future).get(), 6U);
        std::string got(6, '\0');
        EXPECT_EQ(asio::async_read(socket, asio::buffer(got), asio::use_future).get(), 6U);
        EXPECT_EQ(got, "future");
        protocol::socket refused(context_);
        auto error = xvsock::async_connect(refused, server(service::nobody), asio::use_future);
        EXPECT_THROW(error.get(), connect_error);
    }
    work.reset();
    runner.join();
}

asio::awaitable<void> echo_rounds(int rounds, std::string text) {
    protocol::socket socket(co_await asio::this_coro::executor);
    co_await xvsock::async_connect(socket, server(service::echo), asio::use_awaitable);
    std::string got(text.size(), '\0');
    for (int i = 0; i < rounds; ++i) {
        co_await asio::async_write(socket, asio::buffer(text), asio::use_awaitable);
        co_await asio::async_read(socket, asio::buffer(got), asio::use_awaitable);
        EXPECT_EQ(got, text);
    }
}

TEST_F(AsioToken, Coroutines) {
    int ended = 0;
    for (int i = 0; i < 20; ++i)
        asio::co_spawn(context_, echo_rounds(10, "coroutine " + std::to_string(i)),
                       [&](const std::exception_ptr& error) {
                           EXPECT_FALSE(error);
                           ++ended;
                       });
    run();
    EXPECT_EQ(ended, 20);
}

TEST_F(AsioToken, CoroutinesOnFourThreads) {
    std::atomic<int> ended = 0;
    for (int i = 0; i < 40; ++i)
        asio::co_spawn(context_, echo_rounds(10, "thread " + std::to_string(i)),
                       [&](const std::exception_ptr& error) {
                           EXPECT_FALSE(error);
                           ++ended;
                       });
    std::vector<std::thread> runners;
    runners.reserve(4);
    for (int i = 0; i < 4; ++i)
        runners.emplace_back([this] { context_.run_for(60s); });
    for (auto& runner : runners)
        runner.join();
    EXPECT_EQ(ended, 40);
}

TEST_F(AsioToken, AServerOfCoroutines) {
    protocol::acceptor acceptor(context_, protocol::endpoint(any_port));
    const auto port = acceptor.local_endpoint().port();
    remote_end remote;
    int served = 0;
    const auto serve = [&](protocol::socket socket) -> asio::awaitable<void> {
        std::array<char, 4096> buffer{};
        for (;;) {
            const auto [error, size] =
                co_await socket.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
            if (error) {
                EXPECT_EQ(error, asio::error::eof);
                break;
            }
            co_await asio::async_write(socket, asio::buffer(buffer, size), asio::use_awaitable);
        }
        ++served;
    };
    const auto listen = [&]() -> asio::awaitable<void> {
        for (int i = 0; i < 3; ++i) {
            auto socket = co_await acceptor.async_accept(asio::use_awaitable);
            asio::co_spawn(context_, serve(std::move(socket)), asio::detached);
        }
    };
    asio::co_spawn(context_, listen(), asio::detached);
    std::thread clients([&] {
        for (std::uint32_t slot = 1; slot <= 3; ++slot) {
            EXPECT_EQ(remote.run(remote_op::connect, {.slot = slot, .position = port}).result, 0);
            remote.send(10000, slot, slot);
            remote.expect(10000, slot, slot);
            remote.close(slot);
        }
    });
    run();
    clients.join();
    EXPECT_EQ(served, 3);
}

TEST_F(AsioToken, Deferred) {
    auto socket = connected();
    auto write = asio::async_write(socket, asio::buffer("later", 5), asio::deferred);
    bool called = false;
    std::move(write)([&](error_code error, std::size_t size) { called = !error && size == 5; });
    run();
    EXPECT_TRUE(called);
}

} // namespace
} // namespace xvsock::guest
