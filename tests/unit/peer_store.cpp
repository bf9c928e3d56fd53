// SPDX-License-Identifier: MIT
// The xenstore client over a fake libxenstore: values, permissions, transactions, watches, cancellation.
#include "peer_fake_xenstore.hpp"
#include "peer_transact.hpp"

#include <xvsock/xenstore.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include <future>
#include <thread>

namespace xvsock::xenstore {
namespace {

namespace asio = boost::asio;
namespace fake = fake_xenstore;
using boost::system::error_code;
using namespace std::chrono_literals;

class xenstore_client : public testing::Test {
protected:
    void SetUp() override { fake::reset(); }

    // A client that did not wait for its last answer leaves its thread behind.
    void TearDown() override {
        for (int i = 0; i < 1000 && fake::connections != 0; ++i)
            std::this_thread::sleep_for(10ms);
        EXPECT_EQ(fake::connections, 0);
    }

    /// Runs until all is done.
    void run() {
        context_.restart();
        context_.run_for(20s);
        EXPECT_TRUE(context_.stopped()) << "something is still waiting";
    }

    asio::io_context context_;
};

TEST_F(xenstore_client, values_and_directories) {
    transact([](const view& view) {
        EXPECT_FALSE(view.read("/a"));
        EXPECT_FALSE(view.list("/a"));
        EXPECT_FALSE(view.remove("/a"));
        view.write("/a/b", std::string("x\0y", 1));
        view.make("/a/c");
        EXPECT_EQ(view.read("/a/b"), "x");
        EXPECT_EQ(view.read("/a/c"), "");
        EXPECT_EQ(view.list("/a"), (std::vector<std::string>{"b", "c"}));
        EXPECT_EQ(view.list("/a/b"), std::vector<std::string>{});
        EXPECT_TRUE(view.remove("/a/b"));
        EXPECT_FALSE(view.exists("/a/b"));
    });
    EXPECT_TRUE(fake::store().nodes.contains("/a/c"));
}

TEST_F(xenstore_client, permissions_survive) {
    const permissions list{{5, access::none}, {6, access::read}, {7, access::both}};
    transact([&](const view& view) {
        view.make("/a");
        view.set_permissions("/a", list);
        EXPECT_EQ(view.get_permissions("/a"), list);
        EXPECT_FALSE(view.get_permissions("/b"));
    });
    EXPECT_EQ(to_string(list), "n5 r6 b7");
    EXPECT_EQ(to_string(owned_by(0, {0, 3})), "n0 r3");
}

TEST_F(xenstore_client, an_exception_abandons_the_transaction) {
    const auto before = fake::store().nodes;
    EXPECT_THROW(transact([](const view& view) {
                     view.write("/a", "1");
                     throw std::logic_error("stop");
                 }),
                 std::logic_error);
    EXPECT_EQ(fake::store().nodes, before);
    EXPECT_EQ(fake::store().commits, 0u);
}

TEST_F(xenstore_client, a_conflict_runs_the_body_again) {
    fake::store().conflicts = 3;
    const int runs = transact([runs = 0](const view& view) mutable {
        EXPECT_FALSE(view.exists("/a")) << "an abandoned attempt is still there";
        view.write("/a", "1");
        return ++runs;
    });
    EXPECT_EQ(runs, 4);
    EXPECT_TRUE(fake::store().nodes.contains("/a"));
}

TEST_F(xenstore_client, endless_conflicts_end) {
    fake::store().conflicts = 1'000'000;
    try {
        transact([](const view& view) { view.write("/a", "1"); });
        FAIL();
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code().value(), EAGAIN);
    }
}

TEST_F(xenstore_client, errors_carry_errno_and_path) {
    fake::store().fail_path = "/a";
    fake::store().fail_error = EACCES;
    try {
        transact([](const view& view) { view.write("/a", "1"); });
        FAIL();
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), std::errc::permission_denied);
        EXPECT_NE(std::string(error.what()).find("write /a"), std::string::npos) << error.what();
    }
}

TEST_F(xenstore_client, single_operations_by_callback) {
    client store(context_.get_executor());
    int calls = 0;
    store.async_write("/a", "1", [&](error_code error) {
        EXPECT_FALSE(error) << error.message();
        ++calls;
    });
    store.async_make("/b/c", [&](error_code error) { calls += !error; });
    store.async_set_permissions("/a", owned_by(1, {2}), [&](error_code error) { calls += !error; });
    store.async_get_permissions("/a", [&](error_code error, const permissions& list) {
        EXPECT_FALSE(error);
        EXPECT_EQ(to_string(list), "n1 r2");
        ++calls;
    });
    store.async_read("/a", [&](error_code error, const std::string& value) {
        EXPECT_FALSE(error);
        EXPECT_EQ(value, "1");
        ++calls;
    });
    store.async_list("/b", [&](error_code error, const std::vector<std::string>& names) {
        EXPECT_FALSE(error);
        EXPECT_EQ(names, std::vector<std::string>{"c"});
        ++calls;
    });
    store.async_remove("/b", [&](error_code error, bool removed) { calls += !error && removed; });
    store.async_remove("/b", [&](error_code error, bool removed) { calls += !error && !removed; });
    EXPECT_EQ(calls, 0) << "a handler was called from inside its initiating function";
    run();
    EXPECT_EQ(calls, 8);
}

TEST_F(xenstore_client, errors_are_codes) {
    client store(context_.get_executor());
    fake::store().fail_path = "/full";
    fake::store().fail_error = ENOSPC;
    std::vector<std::error_code> errors;
    store.async_read("/none", [&](std::error_code error, const std::string&) { errors.push_back(error); });
    store.async_list("/none", [&](std::error_code error, const auto&) { errors.push_back(error); });
    store.async_get_permissions("/none",
                                [&](std::error_code error, const auto&) { errors.push_back(error); });
    store.async_write("/full", "1", [&](std::error_code error) { errors.push_back(error); });
    run();
    ASSERT_EQ(errors.size(), 4u);
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(errors[std::size_t(i)], std::errc::no_such_file_or_directory) << i;
    EXPECT_EQ(errors[3], std::errc::no_space_on_device);
}

TEST_F(xenstore_client, a_xenstored_that_is_not_there_is_an_error_each_time) {
    client store(context_.get_executor());
    fake::store().open_error = ECONNREFUSED;
    int refused = 0;
    const auto count = [&](error_code error, const std::string&) {
        refused += error == boost::system::errc::connection_refused;
    };
    store.async_read("/a", count);
    store.async_read("/a", count);
    run();
    EXPECT_EQ(refused, 2);
    fake::store().open_error = 0;
    store.async_write("/a", "1", [](error_code error) { EXPECT_FALSE(error); });
    run();
}

TEST_F(xenstore_client, by_coroutine_and_future) {
    client store(context_.get_executor());
    asio::co_spawn(
        context_,
        [&]() -> asio::awaitable<void> {
            co_await store.async_write("/a", "1", asio::use_awaitable);
            EXPECT_EQ(co_await store.async_read("/a", asio::use_awaitable), "1");
            const int number = co_await store.async_transact(
                [](const view& nodes) { return std::stoi(nodes.read("/a").value()); }, asio::use_awaitable);
            EXPECT_EQ(number, 1);
            const auto [error, value] = co_await store.async_read("/b", asio::as_tuple(asio::use_awaitable));
            EXPECT_EQ(error, boost::system::errc::no_such_file_or_directory);
            EXPECT_THROW(co_await store.async_read("/b", asio::use_awaitable), boost::system::system_error);
        },
        [](const std::exception_ptr& error) { EXPECT_FALSE(error); });
    run();
    auto value = store.async_read("/a", asio::use_future);
    run();
    EXPECT_EQ(value.get(), "1");
}

TEST_F(xenstore_client, a_handler_of_another_executor_keeps_the_context_at_work) {
    fake::delay = 300ms;
    client store(context_.get_executor());
    auto value = store.async_read("/a", asio::use_future);
    EXPECT_EQ(context_.run_for(20ms), 0U);
    EXPECT_FALSE(context_.stopped());
    run();
    EXPECT_THROW(value.get(), boost::system::system_error);
}

TEST_F(xenstore_client, a_cancellation_does_not_wait_for_the_answer) {
    fake::delay = 1s;
    const auto start = std::chrono::steady_clock::now();
    {
        client store(context_.get_executor());
        asio::cancellation_signal running, queued;
        int aborted = 0;
        const auto count = [&](error_code error, const std::string&) {
            aborted += error == asio::error::operation_aborted;
        };
        store.async_read("/a", asio::bind_cancellation_slot(running.slot(), count));
        store.async_read("/b", asio::bind_cancellation_slot(queued.slot(), count));
        asio::steady_timer timer(context_, 100ms);
        timer.async_wait([&](error_code) {
            EXPECT_EQ(store.current_call(), "read /a");
            queued.emit(asio::cancellation_type::terminal);
            running.emit(asio::cancellation_type::total);
        });
        run();
        EXPECT_EQ(aborted, 2);
    }
    EXPECT_LT(std::chrono::steady_clock::now() - start, 900ms);
}

TEST_F(xenstore_client, a_cancelled_transaction_is_abandoned) {
    client store(context_.get_executor());
    const auto before = fake::store().nodes;
    asio::cancellation_signal signal;
    std::promise<void> inside, cancelled;
    store.async_transact(
        [&](const view& nodes) {
            nodes.write("/a", "1");
            inside.set_value();
            cancelled.get_future().wait();
            nodes.write("/b", "1");
        },
        asio::bind_cancellation_slot(signal.slot(), [&](const std::exception_ptr& error) {
            EXPECT_TRUE(error);
            cancelled.set_value();
        }));
    asio::post(context_, [&] {
        inside.get_future().wait();
        signal.emit(asio::cancellation_type::terminal);
    });
    run();
    store.async_read("/a", [](error_code error, const auto&) {
        EXPECT_EQ(error, boost::system::errc::no_such_file_or_directory);
    });
    run();
    EXPECT_EQ(fake::store().nodes, before);
}

TEST_F(xenstore_client, its_end_cancels_and_does_not_wait) {
    fake::delay = 1s;
    const auto start = std::chrono::steady_clock::now();
    int aborted = 0;
    {
        client store(context_.get_executor());
        for (int i = 0; i < 3; ++i)
            store.async_write("/a", "1",
                              [&](error_code error) { aborted += error == asio::error::operation_aborted; });
        std::this_thread::sleep_for(50ms);
    }
    run();
    EXPECT_EQ(aborted, 3);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 900ms);
}

TEST_F(xenstore_client, a_watch_tells_of_changes) {
    client store(context_.get_executor());
    watch changes(store, "/a");
    std::vector<std::string> told;
    asio::co_spawn(
        context_,
        [&]() -> asio::awaitable<void> {
            told.push_back(co_await changes.async_wait(asio::use_awaitable)); // the first is xenstored's own
            co_await store.async_write("/a/b", "1", asio::use_awaitable);
            co_await store.async_write("/ab", "1", asio::use_awaitable);
            co_await store.async_write("/a", "1", asio::use_awaitable);
            told.push_back(co_await changes.async_wait(asio::use_awaitable));
            told.push_back(co_await changes.async_wait(asio::use_awaitable));
        },
        [](const std::exception_ptr& error) { EXPECT_FALSE(error); });
    run();
    EXPECT_EQ(told, (std::vector<std::string>{"/a", "/a/b", "/a"}));
}

TEST_F(xenstore_client, a_wait_can_be_cancelled_and_loses_nothing) {
    client store(context_.get_executor());
    watch changes(store, "/a");
    changes.async_wait([](error_code error, const std::string&) { EXPECT_FALSE(error); });
    run();

    asio::cancellation_signal signal;
    int aborted = 0, started = 0;
    const auto count = [&](error_code error, const std::string&) {
        aborted += error == asio::error::operation_aborted;
        started += error == asio::error::already_started;
    };
    changes.async_wait(asio::bind_cancellation_slot(signal.slot(), count));
    changes.async_wait(count); // a second one at a time
    asio::post(context_, [&] { signal.emit(asio::cancellation_type::terminal); });
    run(); // the cancelled wait keeps no work
    EXPECT_EQ(aborted, 1);
    EXPECT_EQ(started, 1);

    changes.async_wait(count);
    asio::post(context_, [&] { changes.cancel(); });
    run();
    EXPECT_EQ(aborted, 2);

    store.async_write("/a/c", "1", [](error_code) {});
    std::string path;
    changes.async_wait([&](error_code, const std::string& changed) { path = changed; });
    run();
    EXPECT_EQ(path, "/a/c");
}

TEST_F(xenstore_client, a_refused_watch_says_so) {
    client store(context_.get_executor());
    fake::store().fail_path = "/a";
    fake::store().fail_error = EACCES;
    watch changes(store, "/a");
    error_code told;
    changes.async_wait([&](error_code error, const std::string&) { told = error; });
    run();
    EXPECT_EQ(told, boost::system::errc::permission_denied);
}

TEST_F(xenstore_client, a_watch_may_outlive_its_client) {
    std::optional<client> store(context_.get_executor());
    watch changes(*store, "/a");
    int ended = 0;
    const auto wait = [&] {
        changes.async_wait(
            [&](error_code error, const std::string&) { ended += error == asio::error::operation_aborted; });
    };
    wait();
    store.reset();
    wait();
    run();
    EXPECT_EQ(ended, 2);
}

TEST_F(xenstore_client, a_notice_may_come_while_another_thread_cancels) {
    asio::thread_pool pool(3);
    client store(pool.get_executor());
    watch changes(store, "/a");
    for (int i = 0; i < 300; ++i) {
        std::promise<void> ended;
        asio::cancellation_signal signal;
        const auto strand = asio::make_strand(pool);
        asio::post(strand, [&] {
            changes.async_wait(asio::bind_executor(
                strand, asio::bind_cancellation_slot(
                            signal.slot(), [&](error_code, const std::string&) { ended.set_value(); })));
            store.async_write("/a", "1", [](error_code) {});
            asio::post(strand, [&] { signal.emit(asio::cancellation_type::terminal); });
        });
        ended.get_future().wait();
        // The signal must stay until it has been emitted.
        std::promise<void> emitted;
        asio::post(strand, [&] { emitted.set_value(); });
        emitted.get_future().wait();
    }
}

} // namespace
} // namespace xvsock::xenstore
