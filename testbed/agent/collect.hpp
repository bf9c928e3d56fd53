// SPDX-License-Identifier: MIT
// Passes results on to the outside: dom0's own and those that guests deliver over the bridge.
#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "agent/outside.hpp"

namespace xvsock::testbed {

/// Each delivery becomes a series of archive frames that ends with an empty one.
class collector {
public:
    /// Listens on dom0's address on the bridge. Throws boost::system::system_error.
    collector(const boost::asio::any_io_executor& executor, outside& target);

    /// Accepts deliveries, for ever.
    boost::asio::awaitable<void> serve();
    /// Passes on what dom0's script left.
    boost::asio::awaitable<void> pass_on_own();

private:
    boost::asio::awaitable<void> receive(boost::asio::ip::tcp::socket connection);
    boost::asio::awaitable<void> pass_on(std::string name, std::string bytes);

    outside& outside_;
    boost::asio::ip::tcp::acceptor acceptor_;
};

} // namespace xvsock::testbed
