// SPDX-License-Identifier: MIT
#include "perf/server.hpp"

#include "perf/exchange.hpp"
#include "perf/quantity.hpp"

#include <atomic>
#include <fmt/format.h>
#include <list>
#include <semaphore>
#include <thread>

namespace xvsock::perf {

namespace {

/// Serves the tests of one client. Returns the number of tests.
class session {
public:
    session(stream& connection, supervisor& watcher) : connection_(connection), watcher_(watcher) {}

    std::uint64_t run() {
        std::uint64_t tests = 0;
        while (const auto test = next_request()) {
            run_test(*test);
            ++tests;
        }
        return tests;
    }

private:
    /// Without a value when the client has closed the connection where a session may end.
    std::optional<request> next_request() {
        frame data;
        const std::size_t first = connection_.receive_some(data.data(), data.size());
        if (first == 0)
            return std::nullopt;
        connection_.receive_all(data.data() + first, data.size() - first);
        try {
            return decode_request(data);
        } catch (const protocol_error& error) {
            // A stranger gets no answer: it would not understand it.
            if (error.why() != protocol_error::reason::stranger)
                send({.status = error.why() == protocol_error::reason::version ? reply_status::bad_version
                                                                               : reply_status::bad_request,
                      .received = 0,
                      .difference = {}});
            throw;
        }
    }

    void run_test(const request& test) {
        if (test.kind == test_kind::connects) {
            take_connections(test);
            return;
        }
        exchange part(connection_, test, exchange::side::server);
        send({.status = reply_status::ready, .received = 0, .difference = {}});
        if (test.kind == test_kind::stream_receive || test.kind == test_kind::stream_both)
            await_go();

        const std::uint64_t before = connection_.received();
        switch (test.kind) {
        case test_kind::ping_pong:
            part.pong();
            break;
        case test_kind::stream_send:
            part.receive_stream();
            break;
        case test_kind::stream_receive:
            part.send_stream();
            break;
        case test_kind::stream_both:
            part.send_and_receive_streams();
            break;
        case test_kind::connects: // see above
            break;
        }
        const std::uint64_t received = connection_.received() - before;

        finish(test, received, part.difference());
    }

    void take_connections(const request& test) {
        const pattern outgoing(server_seed(test.seed)), incoming(test.seed);
        std::optional<mismatch> difference;
        listener from(connection_);
        send({.status = reply_status::ready, .received = from.port(), .difference = {}});
        for (std::uint64_t i = 0; i < test.count; ++i) {
            auto fd = from.accept(watcher_, &connection_);
            if (!fd) // nothing is due in the session: it has ended
                throw connection_error(
                    fmt::format("the client went after {} of {} connections", i, test.count));
            stream cycle(std::move(*fd), from.family(), false);
            const supervisor::watch watch(watcher_, cycle);
            std::byte received, sent;
            cycle.receive_all(&received, 1);
            outgoing.fill(i, {&sent, 1});
            cycle.send_all(&sent, 1);
            if (!difference)
                difference = incoming.check(i, {&received, 1});
        }
        finish(test, test.count, difference);
    }

    void finish(const request& test, std::uint64_t received, const std::optional<mismatch>& difference) {
        if (difference) {
            send({.status = reply_status::corrupt, .received = received, .difference = *difference});
            throw std::runtime_error(
                fmt::format("data corrupted: byte {} of messages of {} bytes is {:#04x}, was sent as {:#04x}",
                            difference->offset, test.size, difference->actual, difference->expected));
        }
        send({.status = reply_status::done, .received = received, .difference = {}});
    }

    void await_go() {
        std::byte go;
        connection_.receive_all(&go, 1);
        if (go != go_byte)
            throw protocol_error(protocol_error::reason::stranger, "the client broke the protocol");
    }

    void send(const reply& message) {
        const frame data = encode(message);
        connection_.send_all(data.data(), data.size());
    }

    stream& connection_;
    supervisor& watcher_;
};

} // namespace

server_result serve(listener& from, supervisor& watcher, const server_options& options) {
    std::atomic<std::uint64_t> completed = 0, failed = 0;
    std::counting_semaphore<max_concurrent_sessions> free_slots(max_concurrent_sessions);
    struct worker {
        std::atomic<bool> over = false;
        std::jthread thread; // last: joined before the flag that it sets goes away
    };
    std::list<worker> workers;

    const auto log = [&](const std::string& line) {
        if (options.log)
            options.log(line);
    };
    const auto run_session = [&](std::uint64_t number, unique_fd fd) {
        try {
            stream connection(std::move(fd), from.family());
            const supervisor::watch watch(watcher, connection);
            log(fmt::format("session {}: {} connected", number, connection.peer_name()));
            const std::uint64_t tests = session(connection, watcher).run();
            if (tests == 0)
                throw connection_error("it asked for no test");
            log(fmt::format("session {}: ended after {} tests, {} bytes received, {} sent", number, tests,
                            connection.received(), connection.sent()));
            ++completed;
        } catch (const std::exception& error) {
            log(fmt::format("session {}: dropped: {}", number, error.what()));
            ++failed;
        }
    };

    for (std::uint64_t number = 1; options.sessions == 0 || number <= options.sessions; ++number) {
        while (!free_slots.try_acquire_for(std::chrono::milliseconds(100)))
            if (watcher.stopping())
                break;
        auto fd = watcher.stopping() ? std::nullopt : from.accept(watcher);
        if (!fd)
            break;
        workers.remove_if([](const worker& one) { return one.over.load(); });
        worker& added = workers.emplace_back();
        try {
            added.thread = std::jthread([&, number, client = std::move(*fd)]() mutable {
                run_session(number, std::move(client));
                free_slots.release();
                added.over = true;
            });
        } catch (const std::system_error& error) {
            log(fmt::format("session {}: dropped: no thread for it: {}", number, error.what()));
            ++failed;
            free_slots.release();
            added.over = true;
        }
    }
    workers.clear(); // waits for them
    return {completed, failed};
}

} // namespace xvsock::perf
