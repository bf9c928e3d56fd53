// SPDX-License-Identifier: MIT
// vchan_stream over the real libxenvchan, on event channels, grants and a xenstore that are fakes.
#include "peer_fake_xenstore.hpp"
#include "vchan_fake_xen.hpp"

#include <xvsock/vchan_stream.hpp>

#include <gtest/gtest.h>

#include <array>
#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <future>
#include <numeric>
#include <thread>
#include <vector>

extern "C" {
#include <libxenvchan.h>
}

namespace xvsock {
namespace {

namespace asio = boost::asio;
namespace fake = fake_xenstore;
using asio::use_awaitable;
using boost::system::error_code;
using namespace std::chrono_literals;

const vchan_address to_client{2, "/local/domain/1/data/test"};
const vchan_address to_server{1, "/local/domain/1/data/test"};
constexpr vchan_rings small_rings{1024, 2048};
constexpr vchan_rings page_rings{4096, 4096};

/// Completes with its error code, and the other result if there is one.
constexpr auto with_error = asio::as_tuple(use_awaitable);

class vchan_asio : public testing::Test {
protected:
    void SetUp() override {
        fake::reset();
        fake::put("domid", "1");
        fake::add_domain(1, "server");
        fake::add_domain(2, "client");
        fake::put("/local/domain/1/data");
        fake_xen::failing = {};
    }

    // Closing goes on in threads of its own.
    void TearDown() override {
        { const std::array<vchan_stream, 2> gone{std::move(server), std::move(client)}; }
        run();
        const auto nothing_left = [] { // in the order of libxenvchan_close()
            return fake_xen::event_channels() == 0 && fake_xen::grants() == 0 &&
                   !fake::has(to_server.path + "/ring-ref") && fake::connections == 0;
        };
        for (int i = 0; i < 1000 && !nothing_left(); ++i)
            std::this_thread::sleep_for(10ms);
        EXPECT_EQ(fake::connections, 0);
        EXPECT_EQ(fake_xen::event_channels(), 0U);
        EXPECT_EQ(fake_xen::grants(), 0U);
    }

    /// Runs a test of two ends that are connected.
    template <typename Body> void connected(vchan_rings rings, Body body) {
        start([this, rings, body]() -> asio::awaitable<void> {
            // A client takes an offer that has been given up for a server while that is being closed.
            co_await until([] { return !fake::has(to_server.path + "/ring-ref"); });
            auto accept = server.async_accept(to_client, rings, use_awaitable);
            auto connect = client.async_connect(to_server, use_awaitable);
            using namespace asio::experimental::awaitable_operators;
            co_await (std::move(accept) && std::move(connect));
            co_await body();
        });
    }

    template <typename Body> void start(Body body) {
        std::exception_ptr problem;
        asio::co_spawn(context, std::move(body), [&](std::exception_ptr error) { problem = error; });
        run();
        if (problem)
            std::rethrow_exception(problem);
    }

    void run() {
        context.restart();
        context.run_for(20s);
        EXPECT_TRUE(context.stopped()) << "something is still waiting";
    }

    static std::vector<char> pattern(std::size_t size) {
        std::vector<char> bytes(size);
        std::iota(bytes.begin(), bytes.end(), '\0');
        return bytes;
    }

    asio::awaitable<void> after(std::chrono::milliseconds time) {
        asio::steady_timer timer(context, time);
        co_await timer.async_wait(use_awaitable);
    }

    /// Until it is so, as it must be some time.
    template <typename Condition> asio::awaitable<void> until(Condition is_so) {
        for (int i = 0; i < 1000 && !is_so(); ++i)
            co_await after(10ms);
        EXPECT_TRUE(is_so());
    }

    asio::io_context context;
    vchan_stream server{context};
    vchan_stream client{context};
};

TEST_F(vchan_asio, moves_bytes_both_ways_through_rings_of_all_kinds) {
    for (const auto rings : {small_rings, vchan_rings{2048, 1024}, page_rings, vchan_rings{1000, 1048576},
                             vchan_rings{65536, 131072}})
        connected(rings, [this]() -> asio::awaitable<void> {
            const auto sent = pattern(300000);
            for (auto [from, to] : {std::pair{&server, &client}, std::pair{&client, &server}}) {
                std::vector<char> received(sent.size());
                using namespace asio::experimental::awaitable_operators;
                auto write = asio::async_write(*from, asio::buffer(sent), use_awaitable);
                auto read = asio::async_read(*to, asio::buffer(received), use_awaitable);
                co_await (std::move(write) && std::move(read));
                EXPECT_EQ(received, sent);
            }
            co_await client.async_close(use_awaitable);
            EXPECT_FALSE(client.is_open());
            // Not close(): the next client could still find this server.
            co_await server.async_close(use_awaitable);
        });
}

TEST_F(vchan_asio, the_client_waits_for_the_server) {
    start([this]() -> asio::awaitable<void> {
        bool is_connected = false;
        client.async_connect(to_server, [&](const error_code& error) {
            EXPECT_FALSE(error) << error.message();
            is_connected = true;
        });
        co_await after(50ms);
        EXPECT_FALSE(is_connected);
        co_await server.async_accept(to_client, small_rings, use_awaitable);
        co_await asio::async_write(server, asio::buffer("x", 1), use_awaitable);
        char byte = 0;
        co_await until([&] { return is_connected; });
        co_await asio::async_read(client, asio::buffer(&byte, 1), use_awaitable);
        EXPECT_EQ(byte, 'x');
    });
}

TEST_F(vchan_asio, the_client_does_not_take_what_a_dead_server_left) {
    // References and a port of nobody, as a server leaves them that was killed.
    fake::put(to_server.path + "/ring-ref", "999999");
    fake::put(to_server.path + "/event-channel", "999999");
    start([this]() -> asio::awaitable<void> {
        bool is_connected = false;
        client.async_connect(to_server, [&](const error_code& error) { is_connected = !error; });
        co_await after(50ms);
        EXPECT_FALSE(is_connected);
        co_await server.async_accept(to_client, small_rings, use_awaitable);
        co_await until([&] { return is_connected; });
    });
}

TEST_F(vchan_asio, a_client_waits_for_an_offer_that_nobody_has_used) {
    connected(small_rings, [this]() -> asio::awaitable<void> {
        vchan_stream next(context);
        bool is_connected = false;
        next.async_connect(to_server, [&](const error_code& error) { is_connected = !error; });
        co_await after(600ms); // the first client is still there
        EXPECT_FALSE(is_connected);
        client.close();
        std::array<char, 10> bytes{};
        const auto [end, size] = co_await server.async_read_some(asio::buffer(bytes), with_error);
        EXPECT_EQ(end, asio::error::eof);
        co_await server.async_close(use_awaitable);
        EXPECT_FALSE(is_connected);
        co_await server.async_accept(to_client, small_rings, use_awaitable);
        co_await asio::async_write(server, asio::buffer("new"), use_awaitable);
        co_await asio::async_read(next, asio::buffer(bytes, 4), use_awaitable);
        EXPECT_TRUE(is_connected);
        EXPECT_STREQ(bytes.data(), "new");
    });
}

TEST_F(vchan_asio, a_server_that_stays_serves_the_next_client) {
    connected(small_rings, [this]() -> asio::awaitable<void> {
        server.native_handle()->server_persist = 1;
        client.close();
        co_await after(20ms);
        vchan_stream next(context);
        const auto before = std::chrono::steady_clock::now();
        co_await next.async_connect(to_server, use_awaitable);
        EXPECT_GE(std::chrono::steady_clock::now() - before, 200ms);
        co_await asio::async_write(server, asio::buffer("x", 1), use_awaitable);
        char byte = 0;
        co_await asio::async_read(next, asio::buffer(&byte, 1), use_awaitable);
        EXPECT_EQ(byte, 'x');
    });
}

TEST_F(vchan_asio, all_that_was_written_is_read_before_the_end) {
    connected(page_rings, [this]() -> asio::awaitable<void> {
        const auto sent = pattern(4096);
        co_await asio::async_write(server, asio::buffer(sent), use_awaitable);
        server.close();
        std::vector<char> received;
        const auto [error, size] =
            co_await asio::async_read(client, asio::dynamic_buffer(received), with_error);
        EXPECT_EQ(error, asio::error::eof);
        EXPECT_EQ(received, sent);
        const auto [late, none] = co_await asio::async_write(client, asio::buffer(sent), with_error);
        EXPECT_EQ(late, asio::error::broken_pipe);
        EXPECT_EQ(none, 0U);
    });
}

TEST_F(vchan_asio, closing_waits_for_the_reader) {
    connected(page_rings, [this]() -> asio::awaitable<void> {
        const auto sent = pattern(4000);
        co_await asio::async_write(client, asio::buffer(sent), use_awaitable);
        bool is_closed = false;
        client.async_close([&](const error_code& error) {
            EXPECT_FALSE(error) << error.message();
            is_closed = true;
        });
        std::vector<char> received(sent.size());
        co_await asio::async_read(server, asio::buffer(received, 3999), use_awaitable);
        co_await after(50ms);
        EXPECT_FALSE(is_closed);
        EXPECT_TRUE(client.is_open());
        co_await asio::async_read(server, asio::buffer(received.data() + 3999, 1), use_awaitable);
        EXPECT_EQ(received, sent);
        const auto [error, size] = co_await server.async_read_some(asio::buffer(received), with_error);
        EXPECT_EQ(error, asio::error::eof);
        co_await until([&] { return is_closed; });
    });
}

TEST_F(vchan_asio, closing_says_that_bytes_were_not_read) {
    connected(page_rings, [this]() -> asio::awaitable<void> {
        co_await asio::async_write(client, asio::buffer("lost"), use_awaitable);
        bool is_closed = false;
        client.async_close([&](const error_code& error) {
            EXPECT_EQ(error, asio::error::broken_pipe);
            is_closed = true;
        });
        co_await after(20ms);
        server.close();
        co_await until([&] { return is_closed; });
        EXPECT_FALSE(client.is_open());
    });
}

TEST_F(vchan_asio, nodes_are_gone_when_closing_has_completed) {
    connected(page_rings, [this]() -> asio::awaitable<void> {
        client.close();
        co_await server.async_close(use_awaitable);
        EXPECT_FALSE(fake::has(to_server.path + "/ring-ref"));
        EXPECT_EQ(fake_xen::grants(), 0U);
    });
}

TEST_F(vchan_asio, a_path_can_be_offered_again_at_once) {
    for (int i = 0; i < 20; ++i) {
        error_code error;
        server.async_accept(to_client, small_rings, [&](const error_code& result) { error = result; });
        for (context.restart(); !fake::has(to_server.path + "/ring-ref");)
            context.run_for(1ms);
        server.close();
        run();
        EXPECT_EQ(error, asio::error::operation_aborted);
    }
    connected(small_rings, []() -> asio::awaitable<void> { co_return; });
}

TEST_F(vchan_asio, closing_does_not_take_away_a_later_offer_of_the_path) {
    connected(small_rings, [this]() -> asio::awaitable<void> {
        vchan_stream next_server(context);
        vchan_stream next_client(context);
        bool is_accepted = false;
        next_server.async_accept(to_client, small_rings,
                                 [&](const error_code& error) { is_accepted = !error; });
        co_await after(50ms);
        co_await client.async_close(use_awaitable);
        co_await server.async_close(use_awaitable);
        EXPECT_TRUE(fake::has(to_server.path + "/ring-ref"));
        co_await next_client.async_connect(to_server, use_awaitable);
        co_await until([&] { return is_accepted; });
    });
}

TEST_F(vchan_asio, a_peer_that_closed_has_closed_also_when_its_domain_ends) {
    connected(small_rings, [this]() -> asio::awaitable<void> {
        co_await asio::async_write(server, asio::buffer("last words", 10), use_awaitable);
        server.close();
        fake::remove("/local/domain/1");
        co_await after(100ms);
        std::array<char, 20> bytes{};
        const auto [error, size] = co_await asio::async_read(client, asio::buffer(bytes), with_error);
        EXPECT_EQ(error, asio::error::eof);
        EXPECT_EQ(size, 10U);
        const auto [late, none] = co_await client.async_write_some(asio::buffer(bytes), with_error);
        EXPECT_EQ(late, asio::error::broken_pipe);
    });
}

// The context's threads and the strands of those who wait and cancel are others.
TEST_F(vchan_asio, cancellation_from_another_context) {
    asio::io_context other;
    auto work = asio::make_work_guard(other);
    std::jthread thread([&] { other.run(); });
    for (int at = 0; at < 100; ++at) {
        std::promise<error_code> result;
        asio::cancellation_signal signal;
        asio::post(other, [&] {
            auto note = [&](const error_code& error) { result.set_value(error); };
            client.async_connect(
                to_server, asio::bind_executor(other, asio::bind_cancellation_slot(signal.slot(), note)));
        });
        context.restart();
        auto own_work = asio::make_work_guard(context);
        std::vector<std::jthread> own;
        for (int i = 0; i < 3; ++i)
            own.emplace_back([this] { context.run_for(20s); });
        std::this_thread::sleep_for(std::chrono::microseconds(100 * at));
        asio::post(other, [&] { signal.emit(asio::cancellation_type::total); });
        auto future = result.get_future();
        ASSERT_EQ(future.wait_for(20s), std::future_status::ready) << at;
        EXPECT_EQ(future.get(), asio::error::operation_aborted);
        own_work.reset();
    }
    work.reset();
}

TEST_F(vchan_asio, the_end_of_the_peers_domain_ends_what_waits) {
    connected(small_rings, [this]() -> asio::awaitable<void> {
        co_await asio::async_write(server, asio::buffer("last words", 10), use_awaitable);
        std::array<char, 20> bytes{};
        std::size_t got = 0;
        error_code read_error;
        error_code write_error;
        asio::async_read(client, asio::buffer(bytes), [&](const error_code& error, std::size_t size) {
            read_error = error;
            got = size;
        });
        const auto much = pattern(3000); // the ring holds 1 KiB
        asio::async_write(client, asio::buffer(much),
                          [&](const error_code& error, std::size_t) { write_error = error; });
        co_await after(50ms);
        EXPECT_FALSE(read_error);
        EXPECT_FALSE(write_error);
        fake::remove("/local/domain/1");
        co_await until([&] { return read_error && write_error; });
        EXPECT_EQ(read_error, asio::error::connection_reset);
        EXPECT_EQ(got, 10U);
        EXPECT_EQ(write_error, asio::error::connection_reset);
    });
}

// As most guests see it: not which domains there are.
TEST_F(vchan_asio, a_guest_sees_the_end_of_the_servers_domain) {
    fake::store().hidden = "/local/domain/1";
    connected(small_rings, [this]() -> asio::awaitable<void> {
        co_await asio::async_write(server, asio::buffer("last words", 10), use_awaitable);
        std::array<char, 20> bytes{};
        co_await after(20ms);
        fake::remove("/local/domain/1");
        const auto before = std::chrono::steady_clock::now();
        const auto [error, size] = co_await asio::async_read(client, asio::buffer(bytes), with_error);
        EXPECT_EQ(error, asio::error::connection_reset);
        EXPECT_EQ(size, 10U);
        EXPECT_LT(std::chrono::steady_clock::now() - before, 10s);
    });
}

TEST_F(vchan_asio, a_guest_sees_the_end_of_the_clients_domain_if_it_has_left_a_sign) {
    fake::store().hidden = "/local/domain/2";
    fake::put("/local/domain/2/data/vchan-client/1");
    connected(small_rings, [&, this]() -> asio::awaitable<void> {
        EXPECT_TRUE(fake::has("data/vchan-client/1")); // which is below the client's home
        std::array<char, 20> bytes{};
        error_code error;
        server.async_read_some(asio::buffer(bytes),
                               [&](const error_code& what, std::size_t) { error = what; });
        co_await after(100ms);
        EXPECT_FALSE(error);
        fake::remove("/local/domain/2");
        co_await until([&] { return error == asio::error::connection_reset; });
    });
}

TEST_F(vchan_asio, a_guest_is_told_by_xen_that_a_domain_is_not_there) {
    fake::store().hidden = "/local/domain";
    fake_xen::failing.any_domain = ESRCH;
    start([this]() -> asio::awaitable<void> {
        const auto [connect_error] = co_await client.async_connect(to_server, with_error);
        EXPECT_EQ(connect_error, asio::error::host_unreachable);
        const auto [accept_error] = co_await server.async_accept(to_client, small_rings, with_error);
        EXPECT_EQ(accept_error, asio::error::host_unreachable);
    });
}

TEST_F(vchan_asio, a_domain_that_is_not_there_is_an_error) {
    fake::remove("/local/domain/1");
    start([this]() -> asio::awaitable<void> {
        const auto [error] = co_await client.async_connect(to_server, with_error);
        EXPECT_EQ(error, asio::error::host_unreachable);
        EXPECT_NE(explain_vchan(error, to_server).find("domain 1"), std::string::npos);
        EXPECT_NE(explain_vchan(error, to_server).find("no such domain"), std::string::npos);
    });
}

TEST_F(vchan_asio, a_domain_that_ends_while_it_is_waited_for_is_an_error) {
    start([this]() -> asio::awaitable<void> {
        std::vector<error_code> errors;
        client.async_connect(to_server, [&](const error_code& error) { errors.push_back(error); });
        co_await after(50ms);
        fake::remove("/local/domain/1");
        co_await until([&] { return errors.size() == 1; });
        server.async_accept(to_client, small_rings,
                            [&](const error_code& error) { errors.push_back(error); });
        co_await after(50ms);
        fake::remove("/local/domain/2");
        co_await until([&] { return errors.size() == 2; });
        EXPECT_EQ(errors, std::vector<error_code>(2, asio::error::host_unreachable));
        EXPECT_FALSE(server.is_open());
    });
}

TEST_F(vchan_asio, everything_can_be_cancelled) {
    start([this]() -> asio::awaitable<void> {
        using namespace asio::experimental::awaitable_operators;
        asio::steady_timer limit(context, 50ms);
        auto connect = client.async_connect(to_server, use_awaitable);
        EXPECT_EQ((co_await (std::move(connect) || limit.async_wait(use_awaitable))).index(), 1U);
        limit.expires_after(50ms);
        auto accept = server.async_accept(to_client, small_rings, use_awaitable);
        EXPECT_EQ((co_await (std::move(accept) || limit.async_wait(use_awaitable))).index(), 1U);
        EXPECT_FALSE(server.is_open());
    });
    connected(small_rings, [this]() -> asio::awaitable<void> {
        using namespace asio::experimental::awaitable_operators;
        std::array<char, 10> bytes{};
        asio::steady_timer limit(context, 50ms);
        auto read = client.async_read_some(asio::buffer(bytes), use_awaitable);
        EXPECT_EQ((co_await (std::move(read) || limit.async_wait(use_awaitable))).index(), 1U);
        co_await asio::async_write(client, asio::buffer(bytes), use_awaitable);
        limit.expires_after(50ms);
        auto close = client.async_close(use_awaitable);
        EXPECT_EQ((co_await (std::move(close) || limit.async_wait(use_awaitable))).index(), 1U);
        EXPECT_TRUE(client.is_open()); // still good
        co_await asio::async_write(server, asio::buffer(bytes), use_awaitable);
        co_await asio::async_read(client, asio::buffer(bytes), use_awaitable);
    });
}

// Whatever it is doing then.
TEST_F(vchan_asio, a_cancellation_at_any_time_is_heeded) {
    fake::delay = 3ms;
    for (int at = 0; at < 60; ++at) {
        std::vector<error_code> errors;
        std::array<asio::cancellation_signal, 2> signals;
        const auto note = [&](const error_code& error) { errors.push_back(error); };
        client.async_connect(to_server, asio::bind_cancellation_slot(signals[0].slot(), note));
        const vchan_address elsewhere{2, "/local/domain/1/data/elsewhere"};
        server.async_accept(elsewhere, small_rings, asio::bind_cancellation_slot(signals[1].slot(), note));
        asio::steady_timer limit(context);
        const auto cancel = [&] {
            for (auto& signal : signals)
                signal.emit(asio::cancellation_type::total);
        };
        if (at == 0) {
            cancel();
        } else {
            limit.expires_after(std::chrono::milliseconds(at));
            limit.async_wait([&](const error_code&) { cancel(); });
        }
        run();
        ASSERT_EQ(errors, std::vector<error_code>(2, asio::error::operation_aborted)) << at;
        EXPECT_FALSE(server.is_open());
    }
}

TEST_F(vchan_asio, cancel_and_close_end_also_what_has_only_begun) {
    for (const bool by_closing : {false, true}) {
        std::vector<error_code> errors;
        const auto note = [&](const error_code& error) { errors.push_back(error); };
        client.async_connect(to_server, note);
        server.async_accept(to_client, small_rings, note);
        if (by_closing) {
            client.close();
            server.close();
        } else {
            client.cancel();
            server.cancel();
        }
        run();
        EXPECT_EQ(errors, std::vector<error_code>(2, asio::error::operation_aborted));
    }
    {
        vchan_stream gone(context);
        gone.async_connect(to_server,
                           [](const error_code& error) { EXPECT_EQ(error, asio::error::operation_aborted); });
    }
    run();
}

TEST_F(vchan_asio, a_stream_that_goes_away_aborts_its_operations) {
    connected(small_rings, [this]() -> asio::awaitable<void> {
        std::array<char, 10> bytes{};
        error_code error;
        client.async_read_some(asio::buffer(bytes),
                               [&](const error_code& what, std::size_t) { error = what; });
        co_await after(20ms);
        client = vchan_stream(context);
        co_await until([&] { return error == asio::error::operation_aborted; });
        const auto [end, size] = co_await server.async_read_some(asio::buffer(bytes), with_error);
        EXPECT_EQ(end, asio::error::eof);
        const auto [closed, none] = co_await client.async_read_some(asio::buffer(bytes), with_error);
        EXPECT_EQ(closed, asio::error::bad_descriptor);
    });
}

TEST_F(vchan_asio, wrong_calls_have_errors_of_their_own) {
    connected(small_rings, [this]() -> asio::awaitable<void> {
        const auto [again] = co_await client.async_connect(to_server, with_error);
        EXPECT_EQ(again, asio::error::already_connected);
        EXPECT_TRUE(client.is_open());
        vchan_stream other(context);
        const vchan_address no_domain{0x7ff0, "data/x"};
        const vchan_address no_path{1, ""};
        const vchan_address no_name{1, "data/"};
        for (const auto* address : {&no_domain, &no_path, &no_name}) {
            const auto [error] = co_await other.async_connect(*address, with_error);
            EXPECT_EQ(error, asio::error::invalid_argument);
        }
        const vchan_address too_long{1, std::string(50, 'x')};
        const auto [error] = co_await other.async_connect(too_long, with_error);
        EXPECT_EQ(error, asio::error::name_too_long);
        constexpr vchan_rings too_large{1024 * 1024 + 1, 1};
        const auto [large] = co_await other.async_accept(to_client, too_large, with_error);
        EXPECT_EQ(large, asio::error::invalid_argument);
    });
}

TEST_F(vchan_asio, what_xen_refuses_is_an_error_and_leaves_nothing) {
    const std::vector<std::pair<int fake_xen::failures::*, int>> refusals{
        {&fake_xen::failures::open_events, ENOENT},
        {&fake_xen::failures::open_grants, EACCES},
        {&fake_xen::failures::share, ENOSPC},
    };
    for (const auto& [what, number] : refusals) {
        fake_xen::failing = {};
        fake_xen::failing.*what = number;
        error_code error;
        server.async_accept(to_client, small_rings, [&](const error_code& result) { error = result; });
        run();
        EXPECT_EQ(error.value(), number);
        EXPECT_EQ(fake_xen::event_channels(), 0U);
    }
    fake_xen::failing = {};
    fake::store().fail_path = to_server.path;
    fake::store().fail_error = EACCES;
    error_code error;
    server.async_accept(to_client, small_rings, [&](const error_code& result) { error = result; });
    run();
    EXPECT_EQ(error, boost::system::errc::permission_denied);
}

TEST_F(vchan_asio, without_waiting_there_is_would_block) {
    connected(small_rings, [this]() -> asio::awaitable<void> {
        std::array<char, 4096> bytes{};
        error_code error;
        EXPECT_EQ(client.read_some(asio::buffer(bytes), error), 0U);
        EXPECT_EQ(error, asio::error::would_block);
        EXPECT_EQ(client.write_some(asio::buffer(bytes)), 1024U);
        EXPECT_EQ(client.write_some(asio::buffer(bytes), error), 0U);
        EXPECT_EQ(error, asio::error::would_block);
        EXPECT_EQ(server.available(), 1024U);
        EXPECT_EQ(server.read_some(asio::buffer(bytes), error), 1024U);
        EXPECT_FALSE(error);
        EXPECT_EQ(client.read_some(asio::mutable_buffer(), error), 0U);
        EXPECT_FALSE(error);
        // Several buffers at once, of which the first is filled.
        const std::array<asio::mutable_buffer, 2> parts{asio::buffer(bytes.data(), 10),
                                                        asio::buffer(bytes.data() + 10, 100)};
        EXPECT_EQ(server.write_some(asio::buffer(bytes, 60)), 60U);
        EXPECT_EQ(client.read_some(parts), 60U);
        co_return;
    });
}

TEST_F(vchan_asio, impossible_indices_are_a_protocol_error) {
    connected(small_rings, [this]() -> asio::awaitable<void> {
        std::array<char, 10> bytes{};
        ::libxenvchan* const hostile = server.native_handle();
        hostile->write.shr->prod = hostile->write.shr->cons + 5000;
        hostile->read.shr->cons = hostile->read.shr->prod - 5000;
        const auto [error, size] = co_await client.async_read_some(asio::buffer(bytes), with_error);
        EXPECT_EQ(error, boost::system::errc::protocol_error);
        const auto [write_error, none] = co_await client.async_write_some(asio::buffer(bytes), with_error);
        EXPECT_EQ(write_error, boost::system::errc::protocol_error);
        const auto [close_error] = co_await client.async_close(with_error);
        EXPECT_EQ(close_error, boost::system::errc::protocol_error);
        EXPECT_FALSE(client.is_open());
    });
}

// What they own goes with them: streams, threads, connections to xenstored.
TEST_F(vchan_asio, operations_of_a_context_that_ends_are_destroyed) {
    for (const bool offers : {false, true})
        for (const auto time : {0ms, 1ms, 10ms}) {
            bool is_over = false;
            {
                asio::io_context short_lived;
                asio::co_spawn(
                    short_lived,
                    [&]() -> asio::awaitable<void> {
                        vchan_stream stream(co_await asio::this_coro::executor);
                        if (offers)
                            co_await stream.async_accept(to_client, small_rings, use_awaitable);
                        else
                            co_await stream.async_connect(to_server, use_awaitable);
                    },
                    [&](const std::exception_ptr&) { is_over = true; });
                short_lived.run_for(time);
            }
            EXPECT_FALSE(is_over);
        }
}

// xenstored takes its time with each answer; what the context does meanwhile is not late.
TEST_F(vchan_asio, nothing_blocks_the_contexts_thread) {
    fake::delay = 300ms;
    bool over = false;
    auto longest = std::chrono::steady_clock::duration::zero();
    asio::co_spawn(
        context,
        [&]() -> asio::awaitable<void> {
            for (asio::steady_timer timer(context); !over;) {
                const auto before = std::chrono::steady_clock::now();
                timer.expires_after(1ms);
                co_await timer.async_wait(use_awaitable);
                longest = std::max(longest, std::chrono::steady_clock::now() - before);
            }
        },
        asio::detached);
    connected(page_rings, [&]() -> asio::awaitable<void> {
        co_await client.async_close(use_awaitable);
        co_await server.async_close(use_awaitable);
        over = true;
    });
    EXPECT_LT(longest, 250ms);
}

// Reads and writes of both ends at once, by as many threads.
TEST_F(vchan_asio, four_threads_move_bytes_at_once) {
    connected(page_rings, []() -> asio::awaitable<void> { co_return; });
    const auto sent = pattern(4 << 20);
    std::vector<char> at_server(sent.size());
    std::vector<char> at_client(sent.size());
    std::atomic<int> left = 4;
    const auto done = [&](const error_code& error, std::size_t size) {
        EXPECT_FALSE(error) << error.message();
        EXPECT_EQ(size, sent.size());
        --left;
    };
    asio::async_write(server, asio::buffer(sent), done);
    asio::async_write(client, asio::buffer(sent), done);
    asio::async_read(server, asio::buffer(at_server), done);
    asio::async_read(client, asio::buffer(at_client), done);
    context.restart();
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([this] { context.run_for(60s); });
    }
    EXPECT_EQ(left, 0);
    EXPECT_EQ(at_server, sent);
    EXPECT_EQ(at_client, sent);
}

} // namespace
} // namespace xvsock
