// SPDX-License-Identifier: MIT
/// The daemon's life: what makes it look again, signals, and what it tells the service manager.
#pragma once

#include "notify.hpp"
#include "reconciler.hpp"

#include <xvsock/xenstore/client.hpp>
#include <xvsock/xenstore/watch.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace xvsock::peer {

struct service_options {
    std::string policy_file = "/etc/xvsock/policy";
    std::string state_folder = "/var/lib/xvsock";
    std::string runtime_folder = "/run/xvsock";
    std::chrono::seconds resync{60}; ///< between two looks at everything
};

class service {
public:
    /// Throws what keeps it from starting.
    explicit service(service_options options);

    /// Runs until it is told to end. Throws when xenstored cannot be reached any more.
    void run();

private:
    /// A watch and whether it is still wanted.
    struct watched;

    boost::asio::awaitable<void> reconcile();
    boost::asio::awaitable<void> follow(std::shared_ptr<watched> one);
    boost::asio::awaitable<void> take_signals();
    boost::asio::awaitable<void> look_alive();
    void start(boost::asio::awaitable<void> task);
    std::shared_ptr<watched> watch(const std::string& path, std::function<void()> fired);
    void watch_names();
    void wake();
    void load();
    void take(policy rules, const std::string& text);
    void reload();
    void write_status();

    service_options options_;
    service_manager manager_;
    boost::asio::io_context context_{1};
    xenstore::client store_{context_.get_executor()};
    reconciler links_;
    boost::asio::signal_set signals_;
    boost::asio::steady_timer work_;
    std::map<domid, std::shared_ptr<watched>> names_;
    std::string status_;
    std::exception_ptr failure_;
    bool awake_ = true;
    bool ready_ = false; ///< a pass has run to its end
};

} // namespace xvsock::peer
