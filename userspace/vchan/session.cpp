// SPDX-License-Identifier: MIT
#include "xvsock/vchan/session.hpp"

#include "open_vchan.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <chrono>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace xvsock::detail {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// A server whose client has gone removes its nodes within this time, or is for the next client, too.
constexpr std::chrono::milliseconds until_used_again{250};

error_code make_error(boost::system::errc::errc_t value) {
    return boost::system::errc::make_error_code(value);
}

vchan_attempt failed(const error_code& error) {
    return vchan_outcome{error};
}

/// libxenvchan takes indices that cannot be for an empty or a full ring, which would never change.
bool is_possible(const ::libxenvchan_ring& ring) {
    const auto used = __atomic_load_n(&ring.shr->prod, __ATOMIC_RELAXED) -
                      __atomic_load_n(&ring.shr->cons, __ATOMIC_RELAXED);
    return used <= 1U << static_cast<unsigned>(ring.order);
}

/// No more than a ring holds at once: libxenvchan counts in int.
std::size_t at_most_a_ring(std::size_t size, const ::libxenvchan_ring& ring) {
    return std::min<std::size_t>(size, std::size_t{1} << static_cast<unsigned>(ring.order));
}

} // namespace

vchan_session::vchan_session(asio::any_io_executor executor)
    : executor_(std::move(executor)), strand_(asio::make_strand(executor_)), xenstore_(executor_),
      events_(executor_), changed_(executor_, asio::steady_timer::time_point::max()) {}

vchan_session::~vchan_session() = default;

bool vchan_session::is_open() const {
    const std::lock_guard hold(mutex_);
    return vchan_ != nullptr;
}

::libxenvchan* vchan_session::native_handle() const {
    const std::lock_guard hold(mutex_);
    return vchan_.get();
}

std::size_t vchan_session::available() const {
    const std::lock_guard hold(mutex_);
    return vchan_ ? static_cast<std::size_t>(::libxenvchan_data_ready(vchan_.get())) : 0;
}

void vchan_session::cancel() {
    const std::lock_guard hold(mutex_);
    ++cancellations_;
    changed_.cancel();
    cancel_setup();
}

/// Ends what connect or serve waits for. It may be between looking whether it should and waiting: so once
/// more when the strand is done with that step, unless another operation has begun.
void vchan_session::cancel_setup() {
    if (!busy_)
        return;
    const auto end_waits = [this] {
        xenstore_.cancel();
        if (setup_)
            setup_->cancel();
    };
    end_waits();
    asio::post(strand_, [self = shared_from_this(), end_waits] {
        const std::lock_guard hold(self->mutex_);
        if (self->busy_ && self->given_up(self->begun_))
            end_waits();
    });
}

unsigned vchan_session::cancellations() const {
    const std::lock_guard hold(mutex_);
    return cancellations_;
}

void vchan_session::close() {
    const std::lock_guard hold(mutex_);
    cancel();
    release();
}

std::shared_ptr<::libxenvchan> vchan_session::release() {
    error_code ignored;
    events_.close(ignored);
    listening_ = false;
    forget_signs();
    changed_.cancel();
    has_ended_ = false;
    return std::exchange(vchan_, nullptr);
}

// ---- Moving bytes

/// What a write says to a peer that has closed, or else whose domain is gone.
error_code vchan_session::ended() const {
    return domain_gone_ && ::libxenvchan_is_open(vchan_.get()) != 0
               ? error_code(asio::error::connection_reset)
               : error_code(asio::error::broken_pipe);
}

vchan_attempt vchan_session::read(void* data, std::size_t size) {
    const std::lock_guard hold(mutex_);
    if (!vchan_)
        return failed(asio::error::bad_descriptor);
    if (size == 0)
        return vchan_outcome{};
    if (has_ended_) // also when another client has come since
        return failed(asio::error::eof);
    if (!is_possible(vchan_->read))
        return failed(make_error(boost::system::errc::protocol_error));
    size = at_most_a_ring(size, vchan_->read);
    int got = ::libxenvchan_read(vchan_.get(), data, size);
    if (got < 0) // it looks for data first: what came between that and the end is still there
        got = ::libxenvchan_read(vchan_.get(), data, size);
    if (got > 0)
        return vchan_outcome{{}, static_cast<std::size_t>(got)};
    if (got < 0) {
        has_ended_ = true;
        return failed(asio::error::eof);
    }
    if (domain_gone_)
        return failed(asio::error::connection_reset);
    return std::nullopt;
}

vchan_attempt vchan_session::write(const void* data, std::size_t size) {
    const std::lock_guard hold(mutex_);
    if (!vchan_)
        return failed(asio::error::bad_descriptor);
    if (size == 0)
        return vchan_outcome{};
    if (domain_gone_)
        return failed(ended());
    if (!is_possible(vchan_->write))
        return failed(make_error(boost::system::errc::protocol_error));
    const int put = ::libxenvchan_write(vchan_.get(), data, at_most_a_ring(size, vchan_->write));
    if (put < 0)
        return failed(ended());
    if (put > 0)
        return vchan_outcome{{}, static_cast<std::size_t>(put)};
    return std::nullopt;
}

vchan_attempt vchan_session::drained() {
    const std::lock_guard hold(mutex_);
    if (!vchan_)
        return failed(asio::error::bad_descriptor);
    if (!is_possible(vchan_->write))
        return failed(make_error(boost::system::errc::protocol_error));
    // Looked at in this order: a peer that reads all and then closes has read all.
    const bool is_over = domain_gone_ || ::libxenvchan_is_open(vchan_.get()) == 0;
    if (::libxenvchan_buffer_space(vchan_.get()) == 1 << vchan_->write.order)
        return vchan_outcome{};
    if (is_over)
        return failed(ended());
    return std::nullopt;
}

vchan_attempt vchan_session::accepted() {
    const std::lock_guard hold(mutex_);
    if (!vchan_)
        return failed(asio::error::bad_descriptor);
    if (domain_gone_)
        return failed(asio::error::host_unreachable);
    // A client that has come and gone may have left what it wrote: the stream begins, and has its end.
    constexpr int without_client = 2;
    if (::libxenvchan_is_open(vchan_.get()) != without_client)
        return vchan_outcome{};
    return std::nullopt;
}

// ---- Waiting

void vchan_session::enter() {
    ++waiting_;
    listen();
    watch_signs();
}

void vchan_session::leave() {
    // What waits for events is not ended before it is seen that the program does not wait again at once.
    if (--waiting_ > 0 || leaving_)
        return;
    leaving_ = true;
    asio::post(executor_, [self = shared_from_this()] {
        const std::lock_guard hold(self->mutex_);
        self->leaving_ = false;
        if (self->waiting_ > 0)
            return;
        error_code ignored;
        self->events_.cancel(ignored);
        for (const auto& sign : self->signs_)
            sign->watch.cancel();
    });
}

void vchan_session::listen() {
    if (listening_ || !events_.is_open())
        return;
    listening_ = true;
    events_.async_wait(asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this(), number = opened_](const error_code& error) {
                           const std::lock_guard hold(self->mutex_);
                           if (number == self->opened_ && self->vchan_)
                               self->on_event(error);
                       });
}

void vchan_session::on_event(const error_code& error) {
    listening_ = false;
    if (!error)
        take_event();
    changed_.cancel();
    if (waiting_ > 0 && (!error || error == asio::error::operation_aborted))
        listen();
}

/// Of an event that is there: libxenvchan would wait for one.
void vchan_session::take_event() {
    pollfd events{::libxenvchan_fd_for_select(vchan_.get()), POLLIN, 0};
    if (::poll(&events, 1, 0) == 1 && (events.revents & POLLIN) != 0)
        ::libxenvchan_wait(vchan_.get());
}

void vchan_session::add_sign(sign_of_life::kind what, std::string path, bool is_there) {
    signs_.push_back(std::make_shared<sign_of_life>(
        sign_of_life{what, xenstore::watch(xenstore_, std::move(path)), is_there}));
    if (waiting_ > 0)
        watch(signs_.back());
}

void vchan_session::forget_signs() {
    for (const auto& sign : signs_)
        sign->watch.cancel(); // whose handler holds it
    signs_.clear();
}

void vchan_session::watch_signs() {
    for (const auto& sign : signs_)
        if (!sign->is_watched)
            watch(sign);
}

void vchan_session::watch(const std::shared_ptr<sign_of_life>& sign) {
    sign->is_watched = true;
    sign->watch.async_wait(
        [self = shared_from_this(), sign = sign](const error_code& error, const std::string&) {
            const std::lock_guard hold(self->mutex_);
            sign->is_watched = false;
            if (self->heeds(*sign))
                self->on_notice(sign, error);
        });
}

bool vchan_session::heeds(const sign_of_life& sign) const {
    return !domain_gone_ &&
           std::any_of(signs_.begin(), signs_.end(), [&](const auto& one) { return one.get() == &sign; });
}

void vchan_session::on_notice(const std::shared_ptr<sign_of_life>& sign, const error_code& error) {
    if (error && error != asio::error::operation_aborted)
        return; // xenstored is gone or refuses: the end of the domain is not seen
    if (waiting_ > 0)
        watch(sign);
    if (!error)
        look_for(sign);
}

/// The peer may change what is watched as fast as it likes: there is one look at a time, and one after it.
void vchan_session::look_for(const std::shared_ptr<sign_of_life>& sign) {
    sign->look_again = sign->is_looked_for;
    if (sign->is_looked_for)
        return;
    sign->is_looked_for = true;
    xenstore_.async_read(sign->watch.path(), [self = shared_from_this(), sign = sign](const error_code& found,
                                                                                      const std::string&) {
        const std::lock_guard hold(self->mutex_);
        sign->is_looked_for = false;
        if (!self->heeds(*sign))
            return;
        // Aborted with something else: by cancel().
        if (sign->look_again || found == asio::error::operation_aborted)
            self->look_for(sign);
        else
            self->judge(*sign, found);
    });
}

void vchan_session::judge(sign_of_life& sign, const error_code& error) {
    sign.was_there = sign.was_there || !error;
    const bool is_missing = error == boost::system::errc::no_such_file_or_directory;
    // Where others may not see what is there, they may not see either what is missing.
    const bool is_hidden = error == boost::system::errc::permission_denied;
    if (!(sign.what == sign_of_life::domain ? is_missing : sign.was_there && (is_missing || is_hidden)))
        return;
    // A server that closes says so in the page before it removes its nodes.
    if (sign.what == sign_of_life::server && ::libxenvchan_is_open(vchan_.get()) == 0)
        return;
    domain_is_gone();
}

void vchan_session::domain_is_gone() {
    domain_gone_ = true;
    changed_.cancel();
    cancel_setup();
}

// ---- Beginning and ending

error_code vchan_session::begin(const started& begun, const vchan_address& peer, const vchan_rings& rings) {
    const std::lock_guard hold(mutex_);
    if (is_cancelled(begun))
        return asio::error::operation_aborted;
    if (busy_ || vchan_)
        return asio::error::already_connected;
    if (const auto wrong = check(peer, rings))
        return wrong;
    domain_gone_ = false;
    forget_signs();
    add_sign(sign_of_life::domain, domain_node(peer.domain), false);
    busy_ = true;
    begun_ = begun;
    enter();
    return {};
}

void vchan_session::end() {
    const std::lock_guard hold(mutex_);
    busy_ = false;
    setup_.reset();
    leave();
}

error_code vchan_session::adopt(opened_vchan opened, sign_of_life::kind peer, const started& begun) {
    const std::lock_guard hold(mutex_);
    if (const auto why = given_up(begun))
        return why;
    error_code error;
    const int copy = ::fcntl(::libxenvchan_fd_for_select(opened.vchan.get()), F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return {errno, boost::system::system_category()};
    events_.assign(copy, error);
    if (error) {
        ::close(copy);
        return error;
    }
    vchan_ = std::move(opened.vchan);
    ++opened_;
    add_sign(peer, std::move(opened.sign), peer == sign_of_life::server);
    listen();
    return {};
}

/// Why not to go on with what begins.
error_code vchan_session::given_up(const started& begun) const {
    const std::lock_guard hold(mutex_);
    if (domain_gone_)
        return asio::error::host_unreachable;
    if (is_cancelled(begun))
        return asio::error::operation_aborted;
    return {};
}

bool vchan_session::is_cancelled(const started& begun) const {
    return begun.cancellations != cancellations_ || begun.by_slot->is_cancelled;
}

vchan_session::result vchan_session::connect(std::shared_ptr<vchan_session> self, started begun,
                                             vchan_address peer) {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await asio::this_coro::throw_if_cancelled(false);
    error_code error;
    bool has_begun = false;
    try {
        error = self->begin(begun, peer, {});
        has_begun = !error;
        if (has_begun)
            error = co_await self->find_server(begun, std::move(peer));
    } catch (...) { // no memory, no thread, no descriptor
        error = xenstore::detail::error_code_of(std::current_exception());
    }
    if (has_begun)
        self->end();
    co_return error;
}

vchan_session::result vchan_session::find_server(started begun, vchan_address peer) {
    {
        const std::lock_guard hold(mutex_);
        setup_.emplace(xenstore_, peer.path);
    }
    auto last = found::nothing;
    for (;;) {
        error_code error;
        const bool comes_back = last == found::occupied || last == found::left;
        const auto look_again = comes_back ? look_again_later() : nullptr;
        if (const auto why = given_up(begun))
            co_return why;
        co_await setup_->async_wait(asio::redirect_error(asio::use_awaitable, error));
        if (const auto why = given_up(begun))
            co_return why;
        const bool is_late = comes_back && error == asio::error::operation_aborted;
        if (error && !is_late)
            co_return error;
        const bool also_left = is_late && last == found::left;
        auto open = [peer, also_left](const xenstore::view& nodes) {
            return open_client(nodes, peer, also_left);
        };
        auto seen = co_await xenstore_.async_run(open, asio::redirect_error(asio::use_awaitable, error));
        if (const auto why = given_up(begun))
            co_return why;
        if (error)
            co_return error;
        if (seen.vchan)
            co_return adopt(std::move(seen), sign_of_life::server, begun);
        last = seen.what;
    }
}

/// Ends the wait for the server's nodes after a while, unless it is destroyed before.
std::shared_ptr<asio::steady_timer> vchan_session::look_again_later() {
    auto timer = std::make_shared<asio::steady_timer>(executor_, until_used_again);
    timer->async_wait([self = shared_from_this(), weak = std::weak_ptr(timer)](const error_code& error) {
        const std::lock_guard hold(self->mutex_);
        if (!error && weak.lock() && self->setup_)
            self->setup_->cancel();
    });
    return timer;
}

vchan_session::result vchan_session::serve(std::shared_ptr<vchan_session> self, started begun,
                                           vchan_address peer, vchan_rings rings) {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await asio::this_coro::throw_if_cancelled(false);
    error_code error;
    bool has_begun = false;
    try {
        error = self->begin(begun, peer, rings);
        has_begun = !error;
        if (has_begun)
            error = co_await self->wait_for_client(begun, std::move(peer), rings);
    } catch (...) { // no memory, no thread, no descriptor
        error = xenstore::detail::error_code_of(std::current_exception());
    }
    if (has_begun) {
        const std::lock_guard hold(self->mutex_);
        if (error)
            self->release();
        self->end();
    }
    co_return error;
}

vchan_session::result vchan_session::wait_for_client(started begun, vchan_address peer, vchan_rings rings) {
    error_code error;
    auto open = [peer, rings](const xenstore::view& nodes) { return open_server(nodes, peer, rings); };
    auto offer = co_await xenstore_.async_run(open, asio::redirect_error(asio::use_awaitable, error));
    if (const auto why = given_up(begun))
        co_return why;
    if (error)
        co_return error;
    if (const auto why = adopt(std::move(offer), sign_of_life::client, begun))
        co_return why;
    auto look = [](vchan_session& session) { return session.accepted(); };
    co_await async_attempt(look, asio::redirect_error(asio::use_awaitable, error));
    if (!error)
        look_for_client();
    co_return error;
}

/// A client that leaves a sign has left it when it is connected.
void vchan_session::look_for_client() {
    const std::lock_guard hold(mutex_);
    for (const auto& sign : signs_)
        if (sign->what == sign_of_life::client)
            look_for(sign);
}

vchan_session::result vchan_session::close_drained(std::shared_ptr<vchan_session> self, started begun) {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await asio::this_coro::throw_if_cancelled(false);
    {
        const std::lock_guard hold(self->mutex_);
        if (self->is_cancelled(begun))
            co_return asio::error::operation_aborted;
    }
    error_code error;
    auto look = [](vchan_session& session) { return session.drained(); };
    co_await self->async_attempt(look, asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor)
        co_return error;
    std::shared_ptr<::libxenvchan> vchan;
    {
        const std::lock_guard hold(self->mutex_);
        ++self->cancellations_;
        vchan = self->release();
    }
    error_code ignored; // of xenstored
    auto let_go = [vchan = std::move(vchan)](const xenstore::view&) mutable { close_here(std::move(vchan)); };
    co_await self->xenstore_.async_run(std::move(let_go), asio::redirect_error(asio::use_awaitable, ignored));
    co_return error;
}

} // namespace xvsock::detail

namespace xvsock {

namespace {

std::string likely_vchan_cause(const boost::system::error_code& error, const vchan_address& peer) {
    namespace errc = boost::system::errc;
    if (error == errc::no_such_file_or_directory || error == errc::no_such_device ||
        error == errc::no_such_device_or_address)
        return ::access("/dev/xen/xenbus", F_OK) != 0 && ::access("/run/xenstored/socket", F_OK) != 0
                   ? "this system is not a Xen domain, or has no /dev/xen/xenbus"
                   : "the modules xen-evtchn, xen-gntdev and xen-gntalloc have to be loaded in this domain";
    if (error == errc::permission_denied || error == errc::operation_not_permitted)
        return "this program may not use Xen's devices in /dev/xen, or not write " + peer.path;
    if (error == boost::asio::error::host_unreachable)
        return "there is no such domain, or no longer";
    if (error == errc::timed_out || error == boost::asio::error::operation_aborted)
        return "there was nobody at the other end, or what is offered there is for another domain";
    if (error == errc::no_space_on_device)
        return "the limit of xen-gntalloc on granted pages is reached (its parameter \"limit\")";
    if (error == errc::filename_too_long)
        return "libxenvchan takes paths of at most 49 bytes";
    return {};
}

} // namespace

std::string explain_vchan(const boost::system::error_code& error, const vchan_address& peer) {
    const std::string why = likely_vchan_cause(error, peer);
    return "no vchan with domain " + std::to_string(peer.domain) + " at " + peer.path + ": " +
           error.message() + (why.empty() ? "" : "; ") + why;
}

} // namespace xvsock
