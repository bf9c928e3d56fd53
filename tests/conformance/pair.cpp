// SPDX-License-Identifier: MIT
#include "pair.hpp"

#include <optional>
#include <stdexcept>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json/value_from.hpp>

#include "lines.hpp"

namespace asio = boost::asio;
namespace json = boost::json;
using asio::ip::tcp;
using namespace std::chrono_literals;

namespace xvsock::conformance {

namespace {

using clock = std::chrono::steady_clock;

// A program that has failed may leave the other one something to say, too.
constexpr auto last_words = 500ms;
// For the end of a killed program, and for the peer to say so.
constexpr auto burial = 10s;

// The server's program, which the peer runs.
class remote_program : public std::enable_shared_from_this<remote_program> {
public:
    remote_program(line_channel channel, std::function<void()> changed)
        : channel_(std::move(channel)), changed_(std::move(changed)) {}

    asio::awaitable<void> start(std::vector<std::string> argv, unsigned short listens) {
        json::object request{{"argv", json::value_from(argv)}, {"listens", listens}};
        co_await channel_.write(std::move(request));
        co_await channel_.read();
        // Named first: g++ 12 destroys a closure twice that shares an expression with co_await.
        const auto executor = co_await asio::this_coro::executor;
        asio::co_spawn(
            executor, [self = shared_from_this()] { return self->receive(); }, asio::detached);
    }

    asio::awaitable<void> kill() {
        json::object request{{"stop", true}};
        co_await channel_.write(std::move(request));
    }

    [[nodiscard]] bool ended() const { return result_.has_value() || lost_; }
    [[nodiscard]] bool succeeded() const { return result_ && result_->succeeded; }
    /// Throws when the connection was lost.
    [[nodiscard]] pair_result::side result() const {
        if (!result_)
            throw std::runtime_error("conformance-peer is gone");
        return *result_;
    }

private:
    asio::awaitable<void> receive() {
        const auto self = shared_from_this();
        try {
            const auto message = co_await channel_.read();
            result_ = pair_result::side{std::string(message.at("output").as_string()),
                                        message.at("succeeded").as_bool(),
                                        std::string(message.at("end").as_string())};
        } catch (const std::exception&) {
            lost_ = true;
        }
        changed_();
    }

    line_channel channel_;
    std::function<void()> changed_;
    std::optional<pair_result::side> result_;
    bool lost_ = false;
};

class pair_run {
public:
    pair_run(pair_request request, const asio::any_io_executor& executor)
        : request_(std::move(request)), executor_(executor),
          changed_(std::make_shared<asio::steady_timer>(executor)) {}

    asio::awaitable<pair_result> run() {
        tcp::socket socket(executor_);
        co_await socket.async_connect(request_.peer, asio::use_awaitable);
        socket.set_option(tcp::no_delay(true));
        const auto wake = [changed = changed_] { changed->cancel(); };
        server_ = std::make_shared<remote_program>(line_channel(std::move(socket)), wake);
        co_await server_->start(request_.server_argv, request_.listens);
        client_ = test_program::start(executor_, request_.client_argv, wake);
        co_await until_both_ended();
        result_.finished = clock::now();
        result_.client = client_;
        result_.server = server_->result();
        co_return std::move(result_);
    }

private:
    asio::awaitable<void> until_both_ended() {
        std::optional<clock::time_point> killed;
        std::optional<clock::time_point> failed;
        while (!client_->ended() || !server_->ended()) {
            const bool one_failed =
                (client_->ended() && !client_->succeeded()) || (server_->ended() && !server_->succeeded());
            if (one_failed && !failed)
                failed = clock::now();
            const auto deadline = killed   ? *killed + burial
                                  : failed ? *failed + last_words
                                           : client_->last_output() + request_.limit;
            if (clock::now() < deadline) {
                boost::system::error_code woken;
                changed_->expires_at(deadline);
                co_await changed_->async_wait(asio::redirect_error(asio::use_awaitable, woken));
                continue;
            }
            if (killed)
                throw std::runtime_error(client_->ended() ? "the server's program cannot be killed"
                                                          : "the client's program cannot be killed");
            result_.stalled = !failed;
            killed = clock::now();
            client_->kill();
            if (!server_->ended())
                co_await server_->kill();
        }
    }

    pair_request request_;
    asio::any_io_executor executor_;
    std::shared_ptr<asio::steady_timer> changed_;
    std::shared_ptr<remote_program> server_;
    std::shared_ptr<test_program> client_;
    pair_result result_;
};

} // namespace

asio::awaitable<pair_result> run_pair(pair_request request) {
    pair_run run(std::move(request), co_await asio::this_coro::executor);
    co_return co_await run.run();
}

} // namespace xvsock::conformance
