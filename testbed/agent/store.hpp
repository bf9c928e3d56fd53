// SPDX-License-Identifier: MIT
// The agent's view of xenstore: values, and waiting for them to change without polling.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

struct xs_handle;

namespace xvsock::testbed {

/// One connection to xenstored. Errors are thrown as std::system_error that names the path.
class store {
public:
    explicit store(const boost::asio::any_io_executor& executor);

    /// The value, or nothing when the node does not exist.
    std::optional<std::string> read(const std::string& path);
    /// Names of the nodes right below one; none when it does not exist.
    std::vector<std::string> children(const std::string& path);
    /// Creates the node and its parents as needed.
    void write(const std::string& path, const std::string& value);
    /// Removes the node and all below it; no error when it does not exist.
    void remove(const std::string& path);
    /// Lets every domain read and write the node; what is made below it inherits that.
    void open_to_all(const std::string& path);
    /// Whether xenstored still knows the domain.
    bool alive(unsigned domid);

    /// Adds the path to those that changed() waits for.
    void watch(const std::string& path);
    /// Returns when something watched has changed since the last call, at the latest after the given time
    /// (zero: without limit): what has changed, each path once; none when the time was over. A new watch
    /// counts as a change of its path.
    boost::asio::awaitable<std::vector<std::string>> changed(std::chrono::milliseconds limit = {});
    /// The same, without waiting.
    std::vector<std::string> changes();

private:
    struct closer {
        void operator()(xs_handle* handle) const;
    };
    std::unique_ptr<xs_handle, closer> handle_;
    boost::asio::posix::stream_descriptor events_;
};

} // namespace xvsock::testbed
