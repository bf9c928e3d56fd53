// SPDX-License-Identifier: MIT
/// `xvsock recv`: several senders at a time, a thread for each.
#pragma once

#include "sockets/acceptor.hpp"
#include "sockets/connect.hpp"
#include "transfer/receiver.hpp"

#include <atomic>
#include <boost/asio/signal_set.hpp>
#include <list>
#include <mutex>
#include <thread>

namespace xvsock::transfer {

struct server_options {
    receiver_options files;
    std::chrono::nanoseconds timeout = std::chrono::seconds(60); ///< that a sender may be silent
    bool once = false;                                           ///< end after one sender
    unsigned max = 16; ///< senders at a time; others are told to come later
    /// What became of a file of that peer. Called by one thread at a time, as is the next.
    std::function<void(const std::string& peer, const outcome&)> tell;
    /// What else happened with a peer.
    std::function<void(const std::string& peer, const std::string&)> complain;
};

class server {
public:
    /// Throws std::runtime_error when it cannot listen.
    server(boost::asio::io_context& context, const sockets::place& where, server_options options);
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    /// Ends what is going on, and waits for it.
    ~server();

    /// Blocks until the context is stopped, by SIGINT or SIGTERM for which it waits, or after one sender.
    /// Returns false when that one has brought no file, or not all that it wanted to.
    bool run();

private:
    struct session {
        sockets::blocking_socket socket;
        std::string peer;
        std::atomic<bool> done = false;
        bool greeted = false;
        bool stored = false;
        std::thread thread = {};

        session(sockets::stream_socket from, std::string name)
            : socket(std::move(from)), peer(std::move(name)) {}
    };

    void begin(sockets::accepted from);
    void serve(session& one, bool too_many);
    void complain(const std::string& peer, const std::string& what);
    void reap();

    boost::asio::io_context& context_;
    std::string where_;
    sockets::acceptor acceptor_;
    boost::asio::signal_set signals_;
    bool interrupted_ = false;
    server_options options_;
    std::mutex shared_; ///< protects what is told, and the sockets of sessions from being closed
    std::atomic<bool> bar_is_drawn_ = false;
    std::list<session> sessions_;
};

} // namespace xvsock::transfer
