// SPDX-License-Identifier: MIT
// Shells and consoles for a person: what is typed outside goes in here, what they print goes out.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace xvsock::testbed {

using environment_list = std::vector<std::pair<std::string, std::string>>;

/// Terminals by the name of their domain.
class terminals {
public:
    using output_handler = std::function<void(const std::string& name, std::string_view bytes)>;

    terminals(boost::asio::any_io_executor executor, output_handler output);

    /// Runs a shell here in a terminal of its own; returns when it ends.
    boost::asio::awaitable<void> run_shell(std::string name, environment_list environment);
    /// Opens a guest's console, which xenconsoled offers as this device. What it prints is not reported:
    /// xenconsoled's log has it.
    void open_console(const std::string& name, const std::string& device);
    /// Types on a terminal; unknown names are ignored.
    void type(const std::string& name, std::string_view bytes);

private:
    boost::asio::awaitable<void> read_all(std::string name, bool report);

    boost::asio::any_io_executor executor_;
    output_handler output_;
    std::map<std::string, boost::asio::posix::stream_descriptor> masters_;
};

/// In a guest: runs shells on its console, one after the other, for ever.
boost::asio::awaitable<void> shells_on_console(environment_list environment);

} // namespace xvsock::testbed
