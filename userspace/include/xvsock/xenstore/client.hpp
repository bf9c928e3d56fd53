// SPDX-License-Identifier: MIT
/// A connection to xenstored, as an I/O object of Boost.Asio.
#pragma once

#include "xvsock/xenstore/operation.hpp"
#include "xvsock/xenstore/view.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace xvsock::xenstore {

class watch;

/// What current_call() says while nobody knows whether a transaction's changes are made.
inline constexpr const char* commit_call = "commit the transaction";

/// Reads, writes, transactions and watches. libxenstore's calls block, so they are made, one after the other,
/// by a thread of the client's own: none is made by a thread that runs the executor.
///
/// Each operation completes with a boost::system::error_code (a std::error_code by assignment) whose value is
/// xenstored's errno: no_such_file_or_directory for a node that is not there, permission_denied, and so on;
/// when xenstored cannot be reached, what opening it said.
///
/// An operation that is cancelled completes at once with operation_aborted, also when xenstored does not
/// answer at all; whether a change was made is then not known. So a time limit, by any of Asio's means, is a
/// limit.
///
/// Not to be used by several threads at once without a strand; distinct clients may be.
class client {
public:
    using executor_type = boost::asio::any_io_executor;

    /// Does not connect yet: the first operation does, and says if it cannot.
    explicit client(executor_type executor);

    /// Cancels what is outstanding. Never waits for xenstored.
    ~client();
    client(client&&) noexcept;
    client& operator=(client&&) noexcept;

    executor_type get_executor() const noexcept { return executor_; }

    /// Cancels all outstanding operations; not the waits of watches.
    void cancel();

    /// How often a transaction is run before it completes with EAGAIN, by default 50 times, which take some
    /// 3 s. For who has other things to do meanwhile.
    void set_attempts(int most);

    /// What xenstored is being asked for now: "write /local/domain/1/data"; empty when nothing is. Any
    /// thread.
    std::string current_call() const;

    /// How many calls it has made of xenstored. Any thread.
    std::uint64_t calls() const;

    /// The node's value. Signature: void(error_code, std::string).
    template <typename Token> auto async_read(std::string path, Token&& token) {
        return async_call<std::string>(
            [path = std::move(path)](const view& nodes) { return existing(nodes.read(path), "read", path); },
            std::forward<Token>(token));
    }

    /// Creates the node and missing parents, or replaces its value. Signature: void(error_code).
    template <typename Token> auto async_write(std::string path, std::string value, Token&& token) {
        return async_call<void>([path = std::move(path),
                                 value = std::move(value)](const view& nodes) { nodes.write(path, value); },
                                std::forward<Token>(token));
    }

    /// Creates an empty node and missing parents, if it is missing. Signature: void(error_code).
    template <typename Token> auto async_make(std::string path, Token&& token) {
        return async_call<void>([path = std::move(path)](const view& nodes) { nodes.make(path); },
                                std::forward<Token>(token));
    }

    /// Names of the children. Signature: void(error_code, std::vector<std::string>).
    template <typename Token> auto async_list(std::string path, Token&& token) {
        return async_call<std::vector<std::string>>(
            [path = std::move(path)](const view& nodes) { return existing(nodes.list(path), "list", path); },
            std::forward<Token>(token));
    }

    /// Removes a node and all below it. Signature: void(error_code, bool): whether there was one.
    template <typename Token> auto async_remove(std::string path, Token&& token) {
        return async_call<bool>([path = std::move(path)](const view& nodes) { return nodes.remove(path); },
                                std::forward<Token>(token));
    }

    /// Signature: void(error_code, permissions).
    template <typename Token> auto async_get_permissions(std::string path, Token&& token) {
        return async_call<permissions>(
            [path = std::move(path)](const view& nodes) {
                return existing(nodes.get_permissions(path), "read the permissions of", path);
            },
            std::forward<Token>(token));
    }

    /// Signature: void(error_code).
    template <typename Token> auto async_set_permissions(std::string path, permissions list, Token&& token) {
        return async_call<void>([path = std::move(path), list = std::move(list)](
                                    const view& nodes) { nodes.set_permissions(path, list); },
                                std::forward<Token>(token));
    }

    /// Runs `body`, which takes `const view&`, outside of a transaction. The client's own thread runs it, and
    /// may still be running it after a cancellation: it captures by value. It may throw std::system_error or
    /// boost::system::system_error, with which the operation completes; its result has a default constructor.
    /// Signature: void(error_code) or void(error_code, Result).
    template <typename Body, typename Token> auto async_run(Body body, Token&& token) {
        return async_call<std::invoke_result_t<Body&, const view&>>(std::move(body),
                                                                    std::forward<Token>(token));
    }

    /// As async_run(), in a transaction: either all of the body's changes are made or none. It is run again,
    /// from the start, when somebody else changed what it touched; after many attempts it completes with
    /// std::system_error and EAGAIN. An exception of any type from the body abandons the transaction.
    /// Signature: void(std::exception_ptr) or void(std::exception_ptr, Result).
    template <typename Body, typename Token> auto async_transact(Body body, Token&& token) {
        using result_type = std::invoke_result_t<Body&, const view&>;
        if constexpr (std::is_void_v<result_type>)
            return initiate<void, void(std::exception_ptr)>(
                true, std::move(body),
                [](auto handler, const std::exception_ptr& error, detail::nothing) {
                    std::move(handler)(error);
                },
                std::forward<Token>(token));
        else
            return initiate<result_type, void(std::exception_ptr, result_type)>(
                true, std::move(body),
                [](auto handler, const std::exception_ptr& error, result_type result) {
                    std::move(handler)(error, std::move(result));
                },
                std::forward<Token>(token));
    }

private:
    friend class watch;

    template <typename Type>
    static Type existing(std::optional<Type> value, const char* operation, const std::string& path) {
        if (!value)
            throw std::system_error(ENOENT, std::generic_category(), std::string(operation) + " " + path);
        return *std::move(value);
    }

    template <typename Result, typename Call, typename Token> auto async_call(Call call, Token&& token) {
        if constexpr (std::is_void_v<Result>)
            return initiate<void, void(boost::system::error_code)>(
                false, std::move(call),
                [](auto handler, const std::exception_ptr& error, detail::nothing) {
                    std::move(handler)(detail::error_code_of(error));
                },
                std::forward<Token>(token));
        else
            return initiate<Result, void(boost::system::error_code, Result)>(
                false, std::move(call),
                [](auto handler, const std::exception_ptr& error, Result result) {
                    std::move(handler)(detail::error_code_of(error), std::move(result));
                },
                std::forward<Token>(token));
    }

    template <typename Result, typename Signature, typename Call, typename Finish, typename Token>
    auto initiate(bool transaction, Call call, Finish finish, Token&& token) {
        return boost::asio::async_initiate<Token, Signature>(
            [this, transaction](auto handler, Call call, Finish finish) {
                using handler_type = decltype(handler);
                auto job = std::make_shared<detail::operation_for<Result, Call, Finish, handler_type>>(
                    executor_, std::move(call), std::move(finish), std::move(handler));
                job->connect_cancellation();
                submit(transaction, std::move(job));
            },
            token, std::move(call), std::move(finish));
    }

    void submit(bool transaction, std::shared_ptr<detail::operation> job);

    executor_type executor_;
    std::shared_ptr<detail::connection> connection_;
};

} // namespace xvsock::xenstore
