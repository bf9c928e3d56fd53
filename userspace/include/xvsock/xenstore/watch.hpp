// SPDX-License-Identifier: MIT
/// Notices of changes in xenstore.
#pragma once

#include "xvsock/xenstore/client.hpp"

#include <memory>
#include <string>

namespace xvsock::xenstore {

namespace detail {
struct watch_state;
}

/// A watch on a node and all below it, or on "@introduceDomain" or "@releaseDomain". xenstored itself gives
/// the first notice at once.
///
/// One notice may stand for several changes, and says nothing of what is there: read it. It is not for
/// several threads at once, and may outlive its client, when its waits end with operation_aborted.
class watch {
public:
    using executor_type = boost::asio::any_io_executor;

    /// Asks xenstored for the watch. If it refuses, the first async_wait() says so.
    watch(client& owner, std::string path);

    /// Cancels the wait. Never waits for xenstored.
    ~watch();
    watch(watch&&) noexcept;
    watch& operator=(watch&&) noexcept;

    executor_type get_executor() const noexcept { return executor_; }
    const std::string& path() const noexcept { return path_; }

    /// Waits for a notice, or takes one that has come since the last wait. One wait at a time: another
    /// completes with already_started. Signature: void(error_code, std::string): the path that was changed.
    template <typename Token> auto async_wait(Token&& token) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, std::string)>(
            [this](auto handler) {
                const auto take = [state = state_](const view&) { return take_notice(*state); };
                const auto finish = [](auto handler, const std::exception_ptr& error, std::string path) {
                    std::move(handler)(detail::error_code_of(error), std::move(path));
                };
                using handler_type = decltype(handler);
                using operation_type =
                    detail::operation_for<std::string, decltype(take), decltype(finish), handler_type>;
                auto job = std::make_shared<operation_type>(executor_, take, finish, std::move(handler));
                prepare(*job);
                job->connect_cancellation();
                wait(std::move(job));
            },
            token);
    }

    /// Ends the wait with operation_aborted.
    void cancel();

private:
    static std::string take_notice(detail::watch_state& state);
    void prepare(detail::operation& job);
    void wait(std::shared_ptr<detail::operation> job);

    executor_type executor_;
    std::string path_;
    std::shared_ptr<detail::connection> connection_;
    std::shared_ptr<detail::watch_state> state_;
};

} // namespace xvsock::xenstore
