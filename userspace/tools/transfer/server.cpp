// SPDX-License-Identifier: MIT
#include "transfer/server.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <sys/socket.h>

namespace xvsock::transfer {

using boost::system::error_code;

namespace {

/// Only one sender's bar is drawn at a time.
class bar_holder {
public:
    explicit bar_holder(std::atomic<bool>& taken) : taken_(taken), is_mine_(!taken.exchange(true)) {}
    bar_holder(const bar_holder&) = delete;
    bar_holder& operator=(const bar_holder&) = delete;
    ~bar_holder() {
        if (is_mine_)
            taken_ = false;
    }
    bool is_mine() const { return is_mine_; }

private:
    std::atomic<bool>& taken_;
    bool is_mine_;
};

} // namespace

server::server(boost::asio::io_context& context, const sockets::place& where, server_options options)
    : context_(context), where_(where.text), acceptor_(context, where), signals_(context, SIGINT, SIGTERM),
      options_(std::move(options)) {
    signals_.async_wait([this](const error_code& error, int) {
        if (error)
            return;
        interrupted_ = true;
        context_.stop();
    });
}

server::~server() {
    {
        const std::lock_guard lock(shared_);
        for (const session& one : sessions_)
            if (one.socket.fd() >= 0)
                ::shutdown(one.socket.fd(), SHUT_RDWR); // what waits there learns it
    }
    for (session& one : sessions_)
        one.thread.join();
}

bool server::run() {
    for (;;) {
        error_code error;
        auto made = acceptor_.accept_now(error, [this](const sockets::protocol::endpoint& stranger) {
            complain(sockets::name_of(stranger), "is not whom files are wanted from");
        });
        if (interrupted_)
            return true;
        if (error) { // no descriptor, or the client has gone
            complain(where_, fmt::format("a connection is not accepted: {}", error.message()));
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
        if (!made)
            continue;
        reap();
        begin(*std::move(made));
        if (!options_.once)
            continue;
        while (!sessions_.empty() && !sessions_.back().done && !interrupted_) {
            context_.restart();
            context_.run_one();
        }
        // Who says nothing, as a ping, is no sender.
        if (interrupted_ || sessions_.back().greeted)
            return !interrupted_ && sessions_.back().stored;
    }
}

void server::begin(sockets::accepted from) {
    const std::string name = sockets::name_of(from.remote);
    // Those that are told to come later take some room, too.
    if (sessions_.size() >= std::size_t{4} * options_.max)
        return complain(name, "is dropped: there are too many connections");
    session& one = sessions_.emplace_back(std::move(from.socket), name);
    const bool too_many = sessions_.size() > options_.max;
    one.thread = std::thread([this, &one, too_many] {
        serve(one, too_many);
        {
            const std::lock_guard lock(shared_);
            one.socket.close();
        }
        one.done = true;
        boost::asio::post(context_, [] {}); // for run(), if it waits
    });
}

void server::serve(session& one, bool too_many) {
    channel peer(one.socket.fd(), too_many ? std::chrono::seconds(5) : options_.timeout);
    try {
        peer.greet();
        one.greeted = true;
        if (too_many) {
            peer.fail(fmt::format("{} senders are being served already", options_.max));
            return complain(one.peer, "is one sender too many");
        }
        const bar_holder bar(bar_is_drawn_);
        receiver_options files = options_.files;
        if (!bar.is_mine())
            files.progress = nullptr;
        receiver all(peer, files, [&](const outcome& result) {
            const std::lock_guard lock(shared_);
            options_.tell(one.peer, result);
        });
        one.stored = all.run();
    } catch (const protocol_error& error) {
        peer.fail(error.what());
        complain(one.peer, error.what());
    } catch (const std::exception& error) {
        complain(one.peer, error.what());
    }
}

void server::complain(const std::string& peer, const std::string& what) {
    const std::lock_guard lock(shared_);
    options_.complain(peer, what);
}

/// Those that have ended.
void server::reap() {
    sessions_.remove_if([](session& one) {
        if (!one.done)
            return false;
        one.thread.join();
        return true;
    });
}

} // namespace xvsock::transfer
