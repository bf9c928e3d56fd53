// SPDX-License-Identifier: MIT
/// One asynchronous operation of a xenstore client: from the initiating call to its handler.
#pragma once

#include "xvsock/xenstore/view.hpp"

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace xvsock::xenstore::detail {

/// What a call that returns nothing returns.
struct nothing {};

template <typename Result> using stored_result = std::conditional_t<std::is_void_v<Result>, nothing, Result>;

/// The error of xenstored as Asio has errors; rethrows what is none.
inline boost::system::error_code error_code_of(const std::exception_ptr& error) {
    if (!error)
        return {};
    try {
        std::rethrow_exception(error);
    } catch (const std::system_error& failure) {
        return {failure.code().value(), boost::system::generic_category()};
    } catch (const boost::system::system_error& failure) {
        return failure.code();
    } catch (const std::bad_alloc&) {
        return make_error_code(boost::system::errc::not_enough_memory);
    }
}

/// Seen by the thread that makes the calls. Once completed, it has no handler and no executor any more: the
/// thread may keep it for longer than the execution context lives.
///
/// An exception moves with its pointer from one thread to the other, so that both never have it at the same
/// time.
class operation {
public:
    virtual ~operation() = default;

    /// Makes the blocking calls and keeps what they returned or threw. May be made again, for a transaction
    /// that met somebody else's change.
    virtual void call(const view& nodes) noexcept = 0;
    /// Whether the last call() threw.
    virtual bool failed() const noexcept = 0;
    /// Has the handler called with what the last call() returned or threw. False when it has been called
    /// before.
    virtual bool complete() noexcept = 0;
    /// Has the handler called with this error, unless it has been called.
    virtual void fail(std::exception_ptr error) noexcept = 0;

    /// Destroys the handler without calling it, unless it has been called: its execution context ends.
    virtual void abandon() noexcept = 0;

    void cancel() noexcept {
        fail(std::make_exception_ptr(boost::system::system_error(boost::asio::error::operation_aborted)));
        if (after_cancel)
            after_cancel();
    }

    std::function<void()> after_cancel; ///< set before anybody may cancel it

    bool completed() const noexcept { return completed_.load(std::memory_order_acquire); }

protected:
    /// True for the one caller that may complete it.
    bool take_completion() noexcept { return !completed_.exchange(true, std::memory_order_acq_rel); }

private:
    std::atomic<bool> completed_ = false;
};

/// `Finish` calls the handler: finish(handler, exception_ptr, stored_result).
template <typename Result, typename Call, typename Finish, typename Handler>
class operation_for final
    : public operation,
      public std::enable_shared_from_this<operation_for<Result, Call, Finish, Handler>> {
public:
    operation_for(const boost::asio::any_io_executor& executor, Call call, Finish finish, Handler handler)
        : call_(std::move(call)), outcome_(std::in_place, executor, std::move(finish), std::move(handler)) {}

    /// Lets the handler's cancellation slot cancel it. Called once, before anybody may complete it.
    void connect_cancellation() {
        auto slot = boost::asio::get_associated_cancellation_slot(outcome_->handler);
        if (slot.is_connected())
            slot.assign([weak = this->weak_from_this()](boost::asio::cancellation_type) {
                if (const auto self = weak.lock())
                    self->cancel();
            });
    }

    void call(const view& nodes) noexcept override {
        error_ = nullptr;
        try {
            if constexpr (std::is_void_v<Result>)
                call_(nodes);
            else
                result_ = call_(nodes);
        } catch (...) {
            error_ = std::current_exception();
        }
    }

    bool failed() const noexcept override { return error_ != nullptr; }
    bool complete() noexcept override {
        // What nobody takes stays with the thread that made it.
        if (!this->take_completion())
            return false;
        post(std::move(error_), std::move(result_));
        return true;
    }
    void fail(std::exception_ptr error) noexcept override {
        if (this->take_completion())
            post(std::move(error), {});
    }
    void abandon() noexcept override {
        if (this->take_completion())
            outcome_.reset();
    }

private:
    /// What takes the result, and where. As Asio's own operations, it is work of the client's executor,
    /// through which it completes, and of the handler's.
    struct outcome {
        outcome(const boost::asio::any_io_executor& executor, Finish finish, Handler handler)
            : work(executor), handler_work(boost::asio::get_associated_executor(handler, executor)),
              finish(std::move(finish)), handler(std::move(handler)) {}

        boost::asio::executor_work_guard<boost::asio::any_io_executor> work;
        boost::asio::executor_work_guard<
            boost::asio::associated_executor_t<Handler, boost::asio::any_io_executor>>
            handler_work;
        Finish finish;
        Handler handler;
    };

    /// What is left of a handler that cannot be moved is destroyed with the operation: not here, where the
    /// caller may have a lock that the handler's destructor needs.
    void post(std::exception_ptr error, stored_result<Result> result) {
        const auto executor = outcome_->work.get_executor();
        boost::asio::post(executor, [taken = std::move(*outcome_), error = std::move(error),
                                     result = std::move(result)]() mutable {
            taken.work.reset();
            const auto target = taken.handler_work.get_executor();
            boost::asio::dispatch(target, [taken = std::move(taken), error = std::move(error),
                                           result = std::move(result)]() mutable {
                // Here, where whoever may emit its signal does not run at the same time.
                boost::asio::get_associated_cancellation_slot(taken.handler).clear();
                taken.handler_work.reset();
                taken.finish(std::move(taken.handler), error, std::move(result));
            });
        });
    }

    Call call_;
    std::optional<outcome> outcome_; // of the one who completes it
    // of the thread that makes the calls
    std::exception_ptr error_;
    stored_result<Result> result_{};
};

} // namespace xvsock::xenstore::detail
