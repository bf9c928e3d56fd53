// SPDX-License-Identifier: MIT
// How a stream ends: closed, killed, destroyed.
#include "vchan_test.hpp"

namespace xvsock::guest {
namespace {

/// What a read and a write that wait say when they end.
struct waiting {
    error_code read_error;
    error_code write_error;
    clock::time_point ended;
    int left = 2;
};

class VchanEnd : public vchan_test {
protected:
    /// Reads, and writes more than the rings hold, until both have ended.
    void wait(vchan_stream& stream, waiting& what) {
        asio::async_read(stream, asio::dynamic_buffer(input_), [&](const error_code& error, std::size_t) {
            what.read_error = error;
            what.ended = clock::now();
            --what.left;
        });
        asio::async_write(stream, asio::buffer(output_), [&](const error_code& error, std::size_t) {
            what.write_error = error;
            what.ended = clock::now();
            --what.left;
        });
    }

    asio::awaitable<void> until_ended(waiting& what) {
        for (int i = 0; i < 1000 && what.left != 0; ++i)
            co_await after(10ms);
        EXPECT_EQ(what.left, 0) << "of a read and a write still wait";
    }

    /// A stream to which nothing is answered.
    asio::awaitable<vchan_stream> stuck(std::string guest, std::string services) {
        co_await tell("stuck data/stuck", guest, services);
        vchan_stream stream(context);
        const auto address = offer_of(guest, "stuck");
        co_await stream.async_connect(address, use_awaitable);
        co_return stream;
    }

private:
    std::vector<char> input_;
    std::vector<char> output_ = std::vector<char>(10'000'000);
};

TEST_F(VchanEnd, ClosingLosesNothing) {
    run([this]() -> asio::awaitable<void> {
        co_await tell("source data/source 3000000");
        vchan_stream stream(context);
        const auto address = offer_of("g2", "source");
        co_await stream.async_connect(address, use_awaitable);
        co_await after(100ms); // the rings are full
        co_await read_pattern(stream, 3'000'000);
        char byte = 0;
        const auto [error, size] = co_await stream.async_read_some(asio::buffer(&byte, 1), with_error);
        EXPECT_EQ(error, asio::error::eof);
        const auto [late, none] = co_await stream.async_write_some(asio::buffer(&byte, 1), with_error);
        EXPECT_EQ(late, asio::error::broken_pipe);
    });
}

TEST_F(VchanEnd, ClosingWaitsForTheReader) {
    run([this]() -> asio::awaitable<void> {
        co_await tell("sink data/sink");
        vchan_stream stream(context);
        const auto address = offer_of("g2", "sink");
        co_await stream.async_connect(address, use_awaitable);
        co_await write_pattern(stream, 3'000'001);
        co_await stream.async_close(use_awaitable);
        const auto result = co_await tell("result data/sink");
        EXPECT_EQ(result, "3000001 " + error_code(asio::error::eof).message() + "\n");
    });
}

TEST_F(VchanEnd, AKilledServerIsTheEndOfInput) {
    run([this]() -> asio::awaitable<void> {
        auto stream = co_await stuck("g2", "mortals");
        waiting what;
        wait(stream, what);
        co_await after(100ms);
        EXPECT_EQ(what.left, 2);
        const auto before = clock::now();
        co_await tell("die", "g2", "mortals");
        co_await until_ended(what);
        EXPECT_EQ(what.read_error, asio::error::eof);
        EXPECT_EQ(what.write_error, asio::error::broken_pipe);
        EXPECT_LT(what.ended - before, 5s);
    });
}

TEST_F(VchanEnd, AKilledClientIsTheEndOfInput) {
    run([this]() -> asio::awaitable<void> {
        vchan_stream stream(context);
        co_await visited(stream, {}, "g2", "mortals");
        co_await must_echo(stream, 100'000);
        co_await tell("die", "g2", "mortals");
        char byte = 0;
        const auto [error, size] = co_await stream.async_read_some(asio::buffer(&byte, 1), with_error);
        EXPECT_EQ(error, asio::error::eof);
        const auto [late, none] = co_await stream.async_write_some(asio::buffer(&byte, 1), with_error);
        EXPECT_EQ(late, asio::error::broken_pipe);
    });
}

// dom0 destroys g3 when it is told that everything waits.
TEST_F(VchanEnd, ADestroyedDomainResetsWhatWaits) {
    run([this]() -> asio::awaitable<void> {
        auto to_server = co_await stuck("g3", "commands");
        vchan_stream to_client(context);
        co_await visited(to_client, {}, "g3", "commands");
        co_await must_echo(to_client, 100'000);
        char byte = 0;
        error_code client_error;
        to_client.async_read_some(asio::buffer(&byte, 1),
                                  [&](const error_code& error, std::size_t) { client_error = error; });
        vchan_stream from_nobody(context);
        error_code accept_error;
        const vchan_address g3{domain_of("g3"), "data/for-g3"};
        from_nobody.async_accept(g3, {}, [&](const error_code& error) { accept_error = error; });
        waiting what;
        wait(to_server, what);
        co_await after(2s); // until all have seen that there is something
        EXPECT_EQ(what.left, 2);

        EXPECT_EQ(std::system("tb signal waiting && tb wait destroyed 60"), 0);
        const auto before = clock::now();
        co_await until_ended(what);
        for (int i = 0; i < 3000 && !(client_error && accept_error); ++i)
            co_await after(10ms);
        EXPECT_EQ(what.read_error, asio::error::connection_reset);
        EXPECT_EQ(what.write_error, asio::error::connection_reset);
        EXPECT_EQ(client_error, asio::error::connection_reset);
        EXPECT_EQ(accept_error, asio::error::host_unreachable);
        EXPECT_LT(what.ended - before, 5s);
    });
}

} // namespace
} // namespace xvsock::guest
