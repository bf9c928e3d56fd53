// SPDX-License-Identifier: MIT
/// A vchan as a stream of Boost.Asio, for programs without the module: both ends speak libxenvchan.
#pragma once

#include "xvsock/vchan/session.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/execution_context.hpp>
#include <concepts>
#include <exception>
#include <memory>
#include <string>
#include <utility>

namespace xvsock {

/// Where two programs meet: each names the other's domain, and both the same place in xenstore.
struct vchan_address {
    unsigned domain = 0; ///< the peer's domid
    /// The base of the server's nodes, absolute or relative to the own domain's: the server writes
    /// "data/NAME", the client "/local/domain/SERVER/data/NAME". At most 49 bytes, which is libxenvchan's
    /// limit.
    std::string path;
};

/// How much each ring holds at least, in bytes, up to 1 MiB; libxenvchan rounds up to 1 KiB, 2 KiB or a power
/// of two of pages. Two small rings share one page.
struct vchan_rings {
    std::size_t receive = 64 * 1024; ///< from the client to the server
    std::size_t send = 64 * 1024;    ///< from the server to the client
};

/// One connection. An AsyncReadStream and AsyncWriteStream (and their synchronous counterparts, which never
/// block but fail with would_block), so async_read, async_write, asio::ssl::stream and the like take it.
///
/// Its calls are made by its own thread where libxenvchan blocks, and by nobody while there is nothing to do:
/// it asks to be notified and does not poll, but for a server that another client occupies. Each stream has a
/// thread and a connection to xenstored: for many connections there are sockets.
///
/// The end: a peer that closes, exits or is killed gives eof, when all that it has written is read; a peer's
/// domain that is destroyed gives connection_reset. Then writes fail with broken_pipe or connection_reset. A
/// peer that writes impossible indices to the ring gives std::errc::protocol_error.
///
/// That a domain is destroyed is seen in xenstore: dom0 sees all domains; a client sees the server's nodes
/// go while the server has not said that it is closed; a server sees a node go that a vchan_stream which is a
/// client leaves for it, "data/vchan-client/SERVER" in its domain's home. Other clients have nothing that a
/// guest could see: there a server waits as long as it wants to.
///
/// Distinct operations may be outstanding at once, one read and one write; as with sockets, several threads
/// at once need a strand for what they call, not for what completes. An operation that was cancelled is over
/// when it has completed, and not before. A stream that was moved from can only be assigned to and destroyed.
/// None outlives a migration of its domain.
class vchan_stream {
public:
    using executor_type = boost::asio::any_io_executor;
    using lowest_layer_type = vchan_stream;

    explicit vchan_stream(executor_type executor)
        : session_(std::make_shared<detail::vchan_session>(std::move(executor))) {}

    template <std::derived_from<boost::asio::execution_context> Context>
    explicit vchan_stream(Context& context) : vchan_stream(context.get_executor()) {}

    /// As close().
    ~vchan_stream() {
        if (session_)
            session_->close();
    }
    vchan_stream(vchan_stream&&) noexcept = default;
    vchan_stream& operator=(vchan_stream&& other) noexcept {
        if (this != &other) {
            if (session_)
                session_->close();
            session_ = std::move(other.session_);
        }
        return *this;
    }

    executor_type get_executor() const noexcept { return session_->executor(); }
    lowest_layer_type& lowest_layer() noexcept { return *this; }
    const lowest_layer_type& lowest_layer() const noexcept { return *this; }

    /// Whether there is a vchan of which this end is not closed.
    bool is_open() const { return session_->is_open(); }
    /// For libxenvchan's own functions; null when closed. Do not use it while operations are outstanding.
    ::libxenvchan* native_handle() const { return session_->native_handle(); }
    /// Bytes that a read gets at once.
    std::size_t available() const { return session_->available(); }

    /// Connects to a server, or waits until there is one: limit the time by any of Asio's means. One that has
    /// another client is no server; one that another has left is when it is still there after 250 ms. Fails
    /// with already_connected, with name_too_long or invalid_argument for an address that cannot be, with
    /// host_unreachable when the domain does not exist or ends (which guests do not see before there is a
    /// server), and with what opening Xen's devices gives.
    /// Signature: void(error_code).
    template <typename Token> auto async_connect(vchan_address peer, Token&& token) {
        return initiate(
            [peer = std::move(peer)](auto session, detail::started begun) {
                return session->connect(session, std::move(begun), peer);
            },
            std::forward<Token>(token));
    }

    /// Offers a vchan to one client of the peer's domain, and waits for it. Another offer of the same path
    /// takes the place of one that nobody has come to. Fails as async_connect() does. An offer that is
    /// cancelled is taken back by a thread of its own: a client that still finds it connects, and then sees
    /// its end. Signature: void(error_code).
    template <typename Token> auto async_accept(vchan_address peer, vchan_rings rings, Token&& token) {
        return initiate(
            [peer = std::move(peer), rings](auto session, detail::started begun) {
                return session->serve(session, std::move(begun), peer, rings);
            },
            std::forward<Token>(token));
    }

    /// Waits until the peer has read everything, then closes; its completion is the end of all that the
    /// stream had, also in xenstore. Fails with broken_pipe or connection_reset when the peer ended before it
    /// had read everything, and with protocol_error; the stream is closed also then. When it is cancelled
    /// before the peer has read everything, the stream stays open. Signature: void(error_code).
    template <typename Token> auto async_close(Token&& token) {
        return initiate(
            [](auto session, detail::started begun) {
                return session->close_drained(session, std::move(begun));
            },
            std::forward<Token>(token));
    }

    /// Signature: void(error_code, std::size_t): at least one byte, unless the buffers are empty.
    template <typename Buffers, typename Token> auto async_read_some(const Buffers& buffers, Token&& token) {
        return session_->async_attempt(reading<Buffers>{buffers}, std::forward<Token>(token));
    }

    /// Signature: void(error_code, std::size_t): at least one byte, unless the buffers are empty.
    template <typename Buffers, typename Token> auto async_write_some(const Buffers& buffers, Token&& token) {
        return session_->async_attempt(writing<Buffers>{buffers}, std::forward<Token>(token));
    }

    template <typename Buffers>
    std::size_t read_some(const Buffers& buffers, boost::system::error_code& error) {
        return now(reading<Buffers>{buffers}, error);
    }
    template <typename Buffers> std::size_t read_some(const Buffers& buffers) {
        return now_or_throw(reading<Buffers>{buffers});
    }
    template <typename Buffers>
    std::size_t write_some(const Buffers& buffers, boost::system::error_code& error) {
        return now(writing<Buffers>{buffers}, error);
    }
    template <typename Buffers> std::size_t write_some(const Buffers& buffers) {
        return now_or_throw(writing<Buffers>{buffers});
    }

    /// Completes what is outstanding with operation_aborted.
    void cancel() { session_->cancel(); }

    /// Closes at once, without waiting for anything, in a thread that a program which ends does not wait for;
    /// what is outstanding is cancelled. What the peer has not read yet it may still read, if it does not
    /// discard it: async_close() makes sure.
    void close() { session_->close(); }

private:
    template <typename Buffers> struct reading {
        Buffers buffers;
        detail::vchan_attempt operator()(detail::vchan_session& session) const {
            return each(buffers, [&](const boost::asio::mutable_buffer& part) {
                return session.read(part.data(), part.size());
            });
        }
    };
    template <typename Buffers> struct writing {
        Buffers buffers;
        detail::vchan_attempt operator()(detail::vchan_session& session) const {
            return each(buffers, [&](const boost::asio::const_buffer& part) {
                return session.write(part.data(), part.size());
            });
        }
    };

    /// Goes on to the next buffer while they are filled or emptied entirely.
    template <typename Buffers, typename Move>
    static detail::vchan_attempt each(const Buffers& buffers, const Move& move) {
        detail::vchan_outcome sum;
        const auto end = boost::asio::buffer_sequence_end(buffers);
        for (auto part = boost::asio::buffer_sequence_begin(buffers); part != end; ++part) {
            if (part->size() == 0)
                continue;
            const auto moved = move(*part);
            if (!moved || moved->error) {
                if (sum.size == 0)
                    return moved;
                break; // the next operation says so
            }
            sum.size += moved->size;
            if (moved->size < part->size())
                break;
        }
        return sum;
    }

    template <typename Attempt> std::size_t now(const Attempt& attempt, boost::system::error_code& error) {
        const auto outcome = attempt(*session_);
        error = outcome ? outcome->error : boost::asio::error::would_block;
        return outcome ? outcome->size : 0;
    }

    template <typename Attempt> std::size_t now_or_throw(const Attempt& attempt) {
        boost::system::error_code error;
        const std::size_t size = now(attempt, error);
        if (error)
            throw boost::system::system_error(error);
        return size;
    }

    /// `Begin` makes the coroutine that is the operation.
    template <typename Begin, typename Token> auto initiate(Begin begin, Token&& token) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
            [session = session_](auto handler, const Begin& make) {
                const auto executor = boost::asio::get_associated_executor(handler, session->executor());
                auto slot = boost::asio::get_associated_cancellation_slot(handler);
                const auto relay = std::make_shared<detail::cancellation_relay>();
                if (slot.is_connected())
                    slot.assign([relay, strand = session->strand()](boost::asio::cancellation_type type) {
                        relay->is_cancelled = true;
                        boost::asio::dispatch(strand, [relay, type] { relay->signal.emit(type); });
                    });
                auto finish = [handler = std::move(handler), slot, relay](
                                  const std::exception_ptr& broken, boost::system::error_code error) mutable {
                    slot.clear();
                    if (broken)
                        std::rethrow_exception(broken);
                    std::move(handler)(error);
                };
                boost::asio::co_spawn(
                    session->strand(), make(session, detail::started{session->cancellations(), relay}),
                    boost::asio::bind_cancellation_slot(
                        relay->signal.slot(), boost::asio::bind_executor(executor, std::move(finish))));
            },
            token, std::move(begin));
    }

    std::shared_ptr<detail::vchan_session> session_;
};

/// "no vchan with domain 5 at data/log: No route to host; there is no such domain, or no longer": the error,
/// with the peer and the likely cause.
std::string explain_vchan(const boost::system::error_code& error, const vchan_address& peer);

} // namespace xvsock
