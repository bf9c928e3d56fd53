// SPDX-License-Identifier: MIT
/// What is behind a client: the connection to xenstored and the thread that makes its calls.
#pragma once

#include "xvsock/xenstore/operation.hpp"
#include "xvsock/xenstore/view.hpp"

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

// The header does not say that its functions are C.
extern "C" {
#include <xenstore.h>
}

namespace xvsock::xenstore::detail {

/// A watch, as the connection sees it. Protected by the connection's mutex.
struct watch_state {
    std::string path;
    std::string token; ///< of xenstored, unique in the connection
    std::deque<std::string> notices;
    boost::system::error_code error;   ///< why there will be no more notices
    std::shared_ptr<operation> waiter; ///< may have completed

    bool has_waiter() const { return waiter && !waiter->completed(); }
};

/// Shared by the client, its watches and the calling thread, which is left behind when xenstored keeps it
/// waiting. The thread uses the executor, and what belongs to it, under the mutex and only until close()
/// or abandon(): after that the execution context may be gone.
class connection : public std::enable_shared_from_this<connection> {
public:
    explicit connection(const boost::asio::any_io_executor& executor);

    /// One that ends with the executor's context.
    static std::shared_ptr<connection> of(const boost::asio::any_io_executor& executor);

    // Any thread:
    void submit(bool transaction, std::shared_ptr<operation> job);
    void cancel();
    /// The client's end: everything is cancelled, and the thread ends.
    void close();
    /// The execution context's end: no handler is called any more.
    void abandon();
    std::string current_call() const;
    std::uint64_t calls() const { return calls_; }
    void set_attempts(int most) { max_attempts_ = most; }

    std::shared_ptr<watch_state> add_watch(const std::string& path);
    void remove_watch(const std::shared_ptr<watch_state>& state);
    void wait(watch_state& state, std::shared_ptr<operation> job);
    void cancel_wait(watch_state& state);
    /// Lets the executor run out of work when nobody waits any more.
    void stop_listening_if_idle();

    // The calling thread:
    /// Makes one call of libxenstore. Throws ECANCELED when nobody waits for its result any more.
    template <typename Call> auto call(std::string what, Call&& make) {
        start_call(std::move(what));
        return make(handle_);
    }

private:
    struct task {
        std::shared_ptr<operation> job; ///< empty: (un)watch
        bool transaction = false;
        std::shared_ptr<watch_state> watched = nullptr;
        bool unwatch = false;
    };

    std::vector<std::shared_ptr<operation>> end();
    void push(task next);
    void work();
    std::exception_ptr execute(task& current) noexcept;
    void finish(task& current, std::exception_ptr error);
    void open();
    void start_call(std::string what);
    void note_call(std::string what);
    void run_transaction(operation& job);
    bool try_transaction(operation& job);
    void set_watch(watch_state& state);
    void end_watch(const watch_state& state);
    void listen();
    void take_notices(std::vector<std::shared_ptr<operation>>& done);

    xs_handle* handle_ = nullptr; // of the calling thread; others use it under mutex_, while it is not null

    std::atomic<int> max_attempts_ = 50;
    std::atomic<std::uint64_t> calls_ = 0;

    mutable std::mutex mutex_; // protects all below
    std::condition_variable changed_;
    std::deque<task> tasks_;
    std::shared_ptr<operation> running_;
    std::string current_call_;
    bool busy_ = false; // the thread makes calls
    bool closed_ = false;
    std::thread thread_;
    std::map<std::string, std::shared_ptr<watch_state>> watches_; // by token
    unsigned last_token_ = 0;
    std::optional<boost::asio::posix::stream_descriptor> notices_; // readable when libxenstore has some
    bool listening_ = false;
};

} // namespace xvsock::xenstore::detail
