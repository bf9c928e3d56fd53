// SPDX-License-Identifier: MIT
// Follows the files that xenconsoled writes, one per guest.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>

namespace xvsock::testbed {

/// Reports what is appended to FOLDER/guest-NAME.log as (NAME, bytes), for ever; inotify tells when.
boost::asio::awaitable<void> follow_consoles(std::string folder,
                                             std::function<void(const std::string&, std::string_view)> sink);

} // namespace xvsock::testbed
