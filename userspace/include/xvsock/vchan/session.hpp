// SPDX-License-Identifier: MIT
/// What is behind a vchan_stream: the vchan, its event channel, and who waits for it.
#pragma once

#include "xvsock/xenstore/client.hpp"
#include "xvsock/xenstore/watch.hpp"

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

struct libxenvchan;

namespace xvsock {
struct vchan_address;
struct vchan_rings;
} // namespace xvsock

namespace xvsock::detail {

/// What one attempt at an operation came to; without a value it has to wait.
struct vchan_outcome {
    boost::system::error_code error;
    std::size_t size = 0;
};
using vchan_attempt = std::optional<vchan_outcome>;

struct opened_vchan; // open_vchan.hpp

/// Passes an operation's cancellation on to the coroutine that it is, which would not see what comes while it
/// is between two waits, or before it begins.
struct cancellation_relay {
    std::atomic<bool> is_cancelled = false;
    boost::asio::cancellation_signal signal;
};

/// An operation that is a coroutine, when it was initiated.
struct started {
    unsigned cancellations = 0; ///< of the session
    std::shared_ptr<cancellation_relay> by_slot;
};

/// A node in xenstore that is gone when the peer's domain is.
struct sign_of_life {
    enum kind {
        domain, ///< the domain's own: only dom0 may know whether it is there
        server, ///< what a server has written; it removes it also when it closes
        client, ///< what a client has left for the server, if it did
    };
    kind what;
    xenstore::watch watch;
    bool was_there = false;
    bool is_watched = false;
    bool is_looked_for = false;
    bool look_again = false;
};

/// Shared by a stream and its operations, which may run in several threads at once: everything is under one
/// mutex, and no handler is called under it.
///
/// An attempt asks the peer to notify, through the ring's notify bits, before it finds that it has to wait;
/// it begins to wait under the same hold of the mutex. So no event is missed between them.
class vchan_session : public std::enable_shared_from_this<vchan_session> {
public:
    explicit vchan_session(boost::asio::any_io_executor executor);
    ~vchan_session();
    vchan_session(const vchan_session&) = delete;
    vchan_session& operator=(const vchan_session&) = delete;

    const boost::asio::any_io_executor& executor() const noexcept { return executor_; }
    const boost::asio::any_io_executor& strand() const noexcept { return strand_; }

    // Any thread, never blocking:
    bool is_open() const;
    ::libxenvchan* native_handle() const;
    std::size_t available() const;
    void cancel();
    unsigned cancellations() const;
    /// Cancels everything and lets go of the vchan, which a thread of its own closes.
    void close();
    vchan_attempt read(void* data, std::size_t size);
    vchan_attempt write(const void* data, std::size_t size);
    /// Whether the peer has read all that was written.
    vchan_attempt drained();
    /// Whether a client has connected.
    vchan_attempt accepted();

    using result = boost::asio::awaitable<boost::system::error_code>;
    static result connect(std::shared_ptr<vchan_session> self, started begun, vchan_address peer);
    static result serve(std::shared_ptr<vchan_session> self, started begun, vchan_address peer,
                        vchan_rings rings);
    static result close_drained(std::shared_ptr<vchan_session> self, started begun);

    /// Repeats the attempt, a call of one of those above, after each event. Signature:
    /// void(error_code, std::size_t).
    template <typename Attempt, typename Token> auto async_attempt(Attempt attempt, Token&& token) {
        return boost::asio::async_compose<Token, void(boost::system::error_code, std::size_t)>(
            repeated<Attempt>{shared_from_this(), std::move(attempt)}, token, executor_);
    }

private:
    template <typename Attempt> struct repeated {
        std::shared_ptr<vchan_session> session;
        Attempt attempt;
        unsigned cancellations = 0; ///< of the session, when it began
        vchan_outcome outcome{};
        enum { begins, waited, is_over } state = begins;

        template <typename Self> void operator()(Self& self, boost::system::error_code = {}) {
            if (state != is_over && !session->try_once(*this, self))
                return;
            const auto result = outcome;
            session.reset();
            self.complete(result.error, result.size);
        }
    };

    /// True when the operation may complete here; otherwise it goes on by itself.
    template <typename Attempt, typename Self> bool try_once(repeated<Attempt>& operation, Self& self) {
        const auto keep = shared_from_this(); // the operation moves away
        const std::lock_guard hold(mutex_);
        const bool first = operation.state == repeated<Attempt>::begins;
        if (first) {
            operation.cancellations = cancellations_;
            self.reset_cancellation_state(boost::asio::enable_total_cancellation());
        } else {
            leave();
        }
        vchan_attempt outcome;
        if (self.cancelled() != boost::asio::cancellation_type::none ||
            operation.cancellations != cancellations_)
            outcome = vchan_outcome{boost::asio::error::operation_aborted};
        else
            outcome = operation.attempt(*this);
        if (!outcome) {
            operation.state = repeated<Attempt>::waited;
            enter();
            changed_.async_wait(std::move(self));
            return false;
        }
        operation.outcome = *outcome;
        operation.state = repeated<Attempt>::is_over;
        if (first) // not from within the call that initiates it
            boost::asio::post(executor_, std::move(self));
        return !first;
    }

    // Of the coroutines:
    boost::system::error_code begin(const started& begun, const vchan_address& peer,
                                    const vchan_rings& rings);
    void end();
    boost::system::error_code adopt(opened_vchan opened, sign_of_life::kind peer, const started& begun);
    void look_for_client();
    boost::system::error_code given_up(const started& begun) const;
    bool is_cancelled(const started& begun) const;
    std::shared_ptr<boost::asio::steady_timer> look_again_later();
    result find_server(started begun, vchan_address peer);
    result wait_for_client(started begun, vchan_address peer, vchan_rings rings);

    // With the mutex held:
    void cancel_setup();
    void enter();
    void leave();
    void listen();
    void on_event(const boost::system::error_code& error);
    void take_event();
    void add_sign(sign_of_life::kind what, std::string path, bool is_there);
    void forget_signs();
    void watch_signs();
    bool heeds(const sign_of_life& sign) const;
    void watch(const std::shared_ptr<sign_of_life>& sign);
    void on_notice(const std::shared_ptr<sign_of_life>& sign, const boost::system::error_code& error);
    void look_for(const std::shared_ptr<sign_of_life>& sign);
    void judge(sign_of_life& sign, const boost::system::error_code& error);
    void domain_is_gone();
    std::shared_ptr<::libxenvchan> release();
    boost::system::error_code ended() const;

    boost::asio::any_io_executor executor_;
    boost::asio::any_io_executor strand_; // of the coroutines and their cancellation
    mutable std::recursive_mutex mutex_;  // attempts are also called by themselves
    xenstore::client xenstore_;           // its thread makes the calls of libxenvchan that block
    std::shared_ptr<::libxenvchan> vchan_;
    boost::asio::posix::stream_descriptor events_; // a duplicate of the event channel's descriptor
    boost::asio::steady_timer changed_;            // never expires; cancelled when something has changed
    std::optional<xenstore::watch> setup_;         // on the server's nodes, until they are there
    std::vector<std::shared_ptr<sign_of_life>> signs_;
    bool domain_gone_ = false;
    bool has_ended_ = false; // a read has said so
    bool busy_ = false;      // connects or serves
    started begun_;          // likewise
    unsigned waiting_ = 0;
    unsigned cancellations_ = 0;
    unsigned opened_ = 0; // vchans, the present one being the last
    bool listening_ = false;
    bool leaving_ = false; // somebody will look whether nobody waits any more
};

} // namespace xvsock::detail
