// SPDX-License-Identifier: MIT
#include "agent/collect.hpp"

#include <array>
#include <fcntl.h>
#include <stdexcept>
#include <system_error>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "agent/roles.hpp"
#include "common/plan.hpp"

namespace asio = boost::asio;

namespace xvsock::testbed {

namespace {

constexpr std::size_t piece_size = std::size_t{256} * 1024;
constexpr std::size_t queue_limit = std::size_t{2} * 1024 * 1024; // bounds dom0's memory, keeps the port busy

} // namespace

collector::collector(const asio::any_io_executor& executor, outside& target)
    : outside_(target), acceptor_(executor, {asio::ip::make_address(dom0_address), collect_port}) {}

asio::awaitable<void> collector::pass_on(std::string name, std::string bytes) {
    outside_.send({frame_kind::archive, std::move(name), std::move(bytes)});
    co_await outside_.drained(queue_limit);
}

asio::awaitable<void> collector::serve() {
    for (;;) {
        auto connection = co_await acceptor_.async_accept(asio::use_awaitable);
        asio::co_spawn(acceptor_.get_executor(), receive(std::move(connection)), asio::detached);
    }
}

asio::awaitable<void> collector::receive(asio::ip::tcp::socket connection) {
    // Only the first line and the stream's end have a meaning here; the outside unpacks the tar stream.
    std::string bytes;
    const auto line = co_await asio::async_read_until(connection, asio::dynamic_buffer(bytes, 65536), '\n',
                                                      asio::use_awaitable);
    const auto name = bytes.substr(0, line - 1);
    bytes.erase(0, line);
    boost::system::error_code error;
    while (!error) {
        if (!bytes.empty())
            co_await pass_on(name, std::move(bytes));
        bytes.assign(piece_size, '\0');
        const auto count = co_await connection.async_read_some(
            asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, error));
        bytes.resize(count);
    }
    co_await pass_on(name, "");
}

asio::awaitable<void> collector::pass_on_own() {
    using namespace asio::experimental::awaitable_operators;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0)
        throw std::system_error(errno, std::generic_category(), "pipe");
    asio::posix::stream_descriptor source(acceptor_.get_executor(), ends[0]);
    child_process tar(acceptor_.get_executor(), tar_command(ends[1]));
    ::close(ends[1]);
    boost::system::error_code error;
    while (!error) {
        std::string bytes(piece_size, '\0');
        const auto count = co_await source.async_read_some(asio::buffer(bytes),
                                                           asio::redirect_error(asio::use_awaitable, error));
        bytes.resize(count);
        if (count > 0)
            co_await pass_on("dom0", std::move(bytes));
    }
    co_await pass_on("dom0", "");
    if (const int status = co_await tar.wait(); status != 0)
        throw std::runtime_error(fmt::format("tar of dom0's results: {}", describe_status(status)));
}

} // namespace xvsock::testbed
