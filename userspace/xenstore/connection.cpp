// SPDX-License-Identifier: MIT
#include "connection.hpp"

#include "xvsock/xenstore/client.hpp"

#include <algorithm>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fmt/format.h>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace xvsock::xenstore::detail {

namespace {

[[noreturn]] void fail(const std::string& operation, int error) {
    throw std::system_error(error, std::generic_category(), operation);
}

std::exception_ptr to_exception(const boost::system::error_code& error) {
    return std::make_exception_ptr(boost::system::system_error(error));
}

/// Of an execution context: when it ends, what waits for xenstored ends as Asio's own operations do. Nobody
/// else would, for the handlers are kept here, and may be what keeps the connection.
class connections_of_context final : public boost::asio::execution_context::service {
public:
    using key_type = connections_of_context;
    static inline boost::asio::execution_context::id id;

    explicit connections_of_context(boost::asio::execution_context& context) : service(context) {}

    void add(const std::shared_ptr<connection>& one) {
        const std::lock_guard lock(mutex_);
        std::erase_if(all_, [](const auto& other) { return other.expired(); });
        all_.push_back(one);
    }

private:
    void shutdown() override {
        std::vector<std::weak_ptr<connection>> all;
        {
            const std::lock_guard lock(mutex_);
            all.swap(all_);
        }
        for (const auto& one : all)
            if (const auto still_there = one.lock())
                still_there->abandon();
    }

    std::mutex mutex_;
    std::vector<std::weak_ptr<connection>> all_;
};

} // namespace

connection::connection(const boost::asio::any_io_executor& executor) : notices_(executor) {}

std::shared_ptr<connection> connection::of(const boost::asio::any_io_executor& executor) {
    auto made = std::make_shared<connection>(executor);
    auto& context = boost::asio::query(executor, boost::asio::execution::context);
    boost::asio::use_service<connections_of_context>(context).add(made);
    return made;
}

void connection::submit(bool transaction, std::shared_ptr<operation> job) {
    push({.job = std::move(job), .transaction = transaction});
}

void connection::push(task next) {
    const std::lock_guard lock(mutex_);
    if (closed_) { // a watch that has outlived its client
        if (next.job)
            next.job->fail(to_exception(boost::asio::error::operation_aborted));
        return;
    }
    tasks_.push_back(std::move(next));
    if (!thread_.joinable())
        thread_ = std::thread([self = shared_from_this()] { self->work(); });
    changed_.notify_one();
}

void connection::cancel() {
    std::deque<task> dropped;
    std::shared_ptr<operation> running;
    {
        const std::lock_guard lock(mutex_);
        std::copy_if(tasks_.begin(), tasks_.end(), std::back_inserter(dropped),
                     [](const task& one) { return one.job != nullptr; });
        std::erase_if(tasks_, [](const task& one) { return one.job != nullptr; });
        running = running_;
    }
    for (const task& one : dropped)
        one.job->cancel();
    if (running)
        running->cancel();
}

void connection::close() {
    cancel();
    for (const auto& waiter : end())
        waiter->fail(to_exception(boost::asio::error::operation_aborted));
}

void connection::abandon() {
    std::vector<std::shared_ptr<operation>> all;
    {
        const std::lock_guard lock(mutex_);
        for (const task& one : tasks_)
            if (one.job)
                all.push_back(one.job);
        if (running_)
            all.push_back(running_);
    }
    for (auto& waiter : end())
        all.push_back(std::move(waiter));
    for (const auto& one : all)
        one->abandon();
}

/// No more calls, and nothing of the executor's is used after this. Returns who waits for notices.
std::vector<std::shared_ptr<operation>> connection::end() {
    std::vector<std::shared_ptr<operation>> waiters;
    std::thread finished;
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        tasks_.clear();
        for (const auto& [token, state] : watches_) {
            state->error = boost::asio::error::operation_aborted;
            if (state->waiter)
                waiters.push_back(std::exchange(state->waiter, nullptr));
        }
        notices_.reset();
        changed_.notify_one();
        // A call may never return. The thread keeps what it needs alive, and ends after it.
        if (busy_ && thread_.joinable())
            thread_.detach();
        else
            finished.swap(thread_);
    }
    if (finished.joinable())
        finished.join();
    return waiters;
}

std::string connection::current_call() const {
    const std::lock_guard lock(mutex_);
    return current_call_;
}

void connection::work() {
    std::unique_lock lock(mutex_);
    while (!closed_) {
        if (tasks_.empty()) {
            changed_.wait(lock);
            continue;
        }
        task current = std::move(tasks_.front());
        tasks_.pop_front();
        running_ = current.job;
        busy_ = true;
        lock.unlock();
        std::exception_ptr error = execute(current);
        lock.lock();
        if (!closed_)
            finish(current, std::move(error));
        busy_ = false;
        running_.reset();
        current_call_.clear();
        lock.unlock();
        current = {}; // what the caller gave may take time to destroy
        error = nullptr;
        lock.lock();
    }
    xs_handle* const handle = std::exchange(handle_, nullptr);
    lock.unlock();
    if (handle)
        xs_close(handle);
}

/// Returns what made it impossible to make the job's calls, not what these met.
std::exception_ptr connection::execute(task& current) noexcept {
    try {
        if (current.job && current.job->completed())
            return nullptr;
        open();
        if (current.job && current.transaction)
            run_transaction(*current.job);
        else if (current.job)
            current.job->call(view(*this, XBT_NULL));
        else if (current.unwatch)
            end_watch(*current.watched);
        else
            set_watch(*current.watched);
        return nullptr;
    } catch (...) {
        return std::current_exception();
    }
}

/// Under mutex_, while the client has not closed.
void connection::finish(task& current, std::exception_ptr error) {
    if (current.job && error) {
        current.job->fail(std::move(error));
    } else if (current.job) {
        current.job->complete();
    } else if (error) {
        current.watched->error = error_code_of(error);
        current.job = std::exchange(current.watched->waiter, nullptr); // is destroyed without the lock
        if (current.job)
            current.job->fail(to_exception(current.watched->error));
    }
}

void connection::start_call(std::string what) {
    const std::lock_guard lock(mutex_);
    if (running_ && running_->completed())
        fail(what, ECANCELED);
    current_call_ = std::move(what);
    ++calls_;
}

void connection::note_call(std::string what) {
    const std::lock_guard lock(mutex_);
    current_call_ = std::move(what);
    ++calls_;
}

void connection::open() {
    if (handle_)
        return;
    errno = 0;
    const std::string what = "connect to xenstored";
    xs_handle* const opened = call(what, [](xs_handle*) { return xs_open(0); });
    if (!opened)
        fail(what, errno ? errno : ENOENT);
    const std::lock_guard lock(mutex_);
    handle_ = opened;
}

/// Returns false when somebody else changed what the job touched.
bool connection::try_transaction(operation& job) {
    const xs_transaction_t transaction =
        call("start a transaction", [](xs_handle* handle) { return xs_transaction_start(handle); });
    if (transaction == XBT_NULL)
        fail("start a transaction", errno);
    job.call(view(*this, transaction));
    // It is ended also when nobody waits any more: xenstored would keep it open.
    const bool abandon = job.failed() || job.completed();
    note_call(commit_call);
    const bool committed = xs_transaction_end(handle_, transaction, abandon);
    const int error = errno;
    if (abandon)
        return true;
    if (committed)
        return true;
    if (error == EAGAIN)
        return false;
    fail(commit_call, error);
}

void connection::run_transaction(operation& job) {
    const int max_attempts = max_attempts_;
    for (int attempt = 1; attempt <= max_attempts; ++attempt) {
        if (try_transaction(job))
            return;
        // Others are busy with the same nodes, as while domains start: give way ever longer, up to 3 s in
        // all.
        std::this_thread::sleep_for(std::chrono::microseconds(2400) * attempt);
    }
    fail(fmt::format("{}, {} times", commit_call, max_attempts), EAGAIN);
}

std::shared_ptr<watch_state> connection::add_watch(const std::string& path) {
    const auto state = std::make_shared<watch_state>();
    state->path = path;
    {
        const std::lock_guard lock(mutex_);
        state->token = fmt::format("{}", ++last_token_);
        if (closed_)
            state->error = boost::asio::error::operation_aborted;
        else
            watches_[state->token] = state;
    }
    push({.job = nullptr, .watched = state});
    return state;
}

void connection::remove_watch(const std::shared_ptr<watch_state>& state) {
    cancel_wait(*state);
    {
        const std::lock_guard lock(mutex_);
        watches_.erase(state->token);
    }
    push({.job = nullptr, .watched = state, .unwatch = true});
}

void connection::end_watch(const watch_state& state) {
    call("end the watch of " + state.path,
         [&](xs_handle* handle) { return xs_unwatch(handle, state.path.c_str(), state.token.c_str()); });
}

void connection::set_watch(watch_state& state) {
    const std::string what = "watch " + state.path;
    if (!call(what,
              [&](xs_handle* handle) { return xs_watch(handle, state.path.c_str(), state.token.c_str()); }))
        fail(what, errno);
    const std::lock_guard lock(mutex_);
    if (closed_)
        return;
    if (!notices_->is_open()) {
        const int copy = fcntl(xs_fileno(handle_), F_DUPFD_CLOEXEC, 0);
        if (copy < 0)
            fail(what, errno);
        notices_->assign(copy);
    }
    listen();
}

void connection::wait(watch_state& state, std::shared_ptr<operation> job) {
    const std::lock_guard lock(mutex_);
    if (!state.notices.empty()) {
        job->call(view(*this, XBT_NULL));
        job->complete();
    } else if (state.error) {
        job->fail(to_exception(state.error));
    } else if (state.has_waiter()) {
        job->fail(to_exception(boost::asio::error::already_started));
    } else {
        state.waiter = std::move(job);
        listen();
    }
}

void connection::cancel_wait(watch_state& state) {
    std::shared_ptr<operation> waiter;
    {
        const std::lock_guard lock(mutex_);
        waiter = std::exchange(state.waiter, nullptr);
    }
    if (waiter)
        waiter->cancel();
}

/// Under mutex_. Listens while somebody waits.
void connection::listen() {
    const bool wanted = std::any_of(watches_.begin(), watches_.end(),
                                    [](const auto& one) { return one.second->has_waiter(); });
    if (listening_ || !wanted || closed_ || !notices_->is_open())
        return;
    listening_ = true;
    notices_->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                         [self = shared_from_this()](boost::system::error_code) {
                             std::vector<std::shared_ptr<operation>> done; // destroyed without the lock
                             const std::lock_guard lock(self->mutex_);
                             self->listening_ = false;
                             self->take_notices(done);
                             self->listen();
                         });
}

void connection::stop_listening_if_idle() {
    const std::lock_guard lock(mutex_);
    if (listening_ && !closed_ && std::none_of(watches_.begin(), watches_.end(), [](const auto& one) {
            return one.second->has_waiter();
        })) {
        boost::system::error_code ignored;
        notices_->cancel(ignored);
    }
}

/// Under mutex_.
void connection::take_notices(std::vector<std::shared_ptr<operation>>& done) {
    // A watch that nobody waits on, of a node that another domain may write, must not take memory without
    // end.
    constexpr std::size_t max_notices = 1024;
    while (handle_ && !closed_) {
        const std::unique_ptr<char*, decltype(&std::free)> event(xs_check_watch(handle_), &std::free);
        if (!event)
            return;
        const auto found = watches_.find(event.get()[XS_WATCH_TOKEN]);
        if (found == watches_.end())
            continue; // has just ended
        watch_state& state = *found->second;
        const std::string path = state.notices.size() < max_notices ? event.get()[XS_WATCH_PATH] : state.path;
        if (std::find(state.notices.begin(), state.notices.end(), path) == state.notices.end())
            state.notices.push_back(path);
        if (state.has_waiter()) {
            std::string next = state.notices.front();
            state.waiter->call(view(*this, XBT_NULL));
            if (!state.waiter->complete()) // cancelled meanwhile
                state.notices.push_front(std::move(next));
            done.push_back(std::exchange(state.waiter, nullptr));
        }
    }
}

} // namespace xvsock::xenstore::detail
