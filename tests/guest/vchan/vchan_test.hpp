// SPDX-License-Identifier: MIT
// What the tests of vchan_stream share. vchan-services runs in the peers' domains.
#pragma once

#include "pattern.hpp"

#include <xvsock/vchan_stream.hpp>

#include <gtest/gtest.h>

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

namespace xvsock::guest {

namespace asio = boost::asio;
using asio::use_awaitable;
using boost::system::error_code;
using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;

/// Completes with its error code, and the other result if there is one.
constexpr auto with_error = asio::as_tuple(use_awaitable);
using clock = std::chrono::steady_clock;

inline unsigned domain_of(const std::string& guest) {
    const char* const value = std::getenv(("DOMID_" + guest).c_str());
    if (value == nullptr)
        throw std::runtime_error("DOMID_" + guest +
                                 " is not set: this program runs in a scenario of the testbed");
    return static_cast<unsigned>(std::stoul(value));
}

inline unsigned own_domain() {
    return static_cast<unsigned>(std::stoul(std::getenv("DOMID")));
}

/// Where that guest offers a vchan that its services call so.
inline vchan_address offer_of(const std::string& guest, const std::string& name) {
    return {domain_of(guest), "/local/domain/" + std::to_string(domain_of(guest)) + "/data/" + name};
}

class vchan_test : public testing::Test {
protected:
    /// Runs a coroutine to its end, and whatever it has begun, which must be within a minute.
    template <typename Body> void run(Body body) {
        std::exception_ptr problem;
        asio::co_spawn(context, std::move(body), [&](const std::exception_ptr& error) { problem = error; });
        context.restart();
        context.run_for(60s);
        if (problem)
            std::rethrow_exception(problem);
        ASSERT_TRUE(context.stopped()) << "something is still waiting";
    }

    /// Tells that guest's services to do something; their answer.
    asio::awaitable<std::string> tell(std::string command, std::string guest = "g2",
                                      std::string services = "commands") {
        vchan_stream commands(context);
        const auto address = offer_of(guest, services);
        co_await commands.async_connect(address, use_awaitable);
        command += '\n';
        co_await asio::async_write(commands, asio::buffer(command), use_awaitable);
        std::string answer;
        const auto [error, size] =
            co_await asio::async_read_until(commands, asio::dynamic_buffer(answer), '\n', with_error);
        co_await commands.async_close(with_error);
        co_return answer;
    }

    /// A stream that they echo.
    asio::awaitable<vchan_stream> echoed(std::string guest = "g2", std::string services = "commands") {
        const auto name = "echo-" + std::to_string(++echoes_);
        co_await tell("echo data/" + name, guest, services);
        vchan_stream stream(context);
        const auto address = offer_of(guest, name);
        co_await stream.async_connect(address, use_awaitable);
        co_return stream;
    }

    /// Offers a vchan that the services connect to and echo.
    asio::awaitable<void> visited(vchan_stream& stream, vchan_rings rings = {}, std::string guest = "g2",
                                  std::string services = "commands") {
        const vchan_address client{domain_of(guest), "data/visited"};
        const auto there = "/local/domain/" + std::to_string(own_domain()) + "/data/visited";
        auto accept = stream.async_accept(client, rings, use_awaitable);
        auto visit = tell("visit " + there, guest, services);
        co_await (std::move(accept) && std::move(visit));
    }

    /// `size` bytes of the pattern there and back, at once.
    asio::awaitable<void> must_echo(vchan_stream& stream, std::uint64_t size) {
        auto send = write_pattern(stream, size);
        auto receive = read_pattern(stream, size);
        co_await (std::move(send) && std::move(receive));
    }

    asio::awaitable<void> write_pattern(vchan_stream& stream, std::uint64_t size) {
        for (std::uint64_t done = 0; done < size;)
            done += co_await asio::async_write(stream, bytes.at(done, size - done), use_awaitable);
    }

    asio::awaitable<void> read_pattern(vchan_stream& stream, std::uint64_t size) {
        std::vector<char> buffer(100'000);
        for (std::uint64_t done = 0; done < size;) {
            const auto got = co_await stream.async_read_some(asio::buffer(buffer), use_awaitable);
            EXPECT_TRUE(bytes.is_at(done, buffer.data(), got)) << "near byte " << done;
            done += got;
        }
    }

    asio::awaitable<void> after(std::chrono::milliseconds time) {
        asio::steady_timer timer(context, time);
        co_await timer.async_wait(use_awaitable);
    }

    asio::io_context context;
    const pattern bytes;

private:
    static inline int echoes_ = 0;
};

} // namespace xvsock::guest
