// SPDX-License-Identifier: MIT
#include "agent/store.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

extern "C" {
#include <xenstore.h>
}

namespace asio = boost::asio;

namespace xvsock::testbed {

namespace {

[[noreturn]] void fail(const char* what, const std::string& path) {
    throw std::system_error(errno, std::generic_category(),
                            fmt::format("xenstore: cannot {} {}", what, path));
}

} // namespace

void store::closer::operator()(xs_handle* handle) const {
    ::xs_close(handle);
}

store::store(const asio::any_io_executor& executor) : handle_(::xs_open(0)), events_(executor) {
    if (!handle_)
        fail("connect to", "xenstored");
    // A duplicate, because libxenstore closes its own.
    events_.assign(::dup(::xs_fileno(handle_.get())));
}

std::optional<std::string> store::read(const std::string& path) {
    unsigned length = 0;
    const std::unique_ptr<void, decltype(&::free)> value(
        ::xs_read(handle_.get(), XBT_NULL, path.c_str(), &length), &::free);
    if (value)
        return std::string(static_cast<const char*>(value.get()), length);
    if (errno != ENOENT)
        fail("read", path);
    return std::nullopt;
}

std::vector<std::string> store::children(const std::string& path) {
    unsigned count = 0;
    const std::unique_ptr<char*, decltype(&::free)> names(
        ::xs_directory(handle_.get(), XBT_NULL, path.c_str(), &count), &::free);
    if (!names && errno != ENOENT)
        fail("list", path);
    return names ? std::vector<std::string>(names.get(), names.get() + count) : std::vector<std::string>();
}

void store::write(const std::string& path, const std::string& value) {
    if (!::xs_write(handle_.get(), XBT_NULL, path.c_str(), value.data(), static_cast<unsigned>(value.size())))
        fail("write", path);
}

void store::remove(const std::string& path) {
    if (!::xs_rm(handle_.get(), XBT_NULL, path.c_str()) && errno != ENOENT)
        fail("remove", path);
}

void store::open_to_all(const std::string& path) {
    xs_permissions everyone{};
    everyone.perms = static_cast<decltype(everyone.perms)>(XS_PERM_READ | XS_PERM_WRITE);
    if (!::xs_set_permissions(handle_.get(), XBT_NULL, path.c_str(), &everyone, 1))
        fail("set permissions of", path);
}

bool store::alive(unsigned domid) {
    return ::xs_is_domain_introduced(handle_.get(), domid);
}

void store::watch(const std::string& path) {
    if (!::xs_watch(handle_.get(), path.c_str(), "tb"))
        fail("watch", path);
}

std::vector<std::string> store::changes() {
    std::vector<std::string> paths;
    while (char** event = ::xs_check_watch(handle_.get())) {
        paths.emplace_back(event[XS_WATCH_PATH]);
        ::free(event);
    }
    std::sort(paths.begin(), paths.end());
    paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
    return paths;
}

asio::awaitable<std::vector<std::string>> store::changed(std::chrono::milliseconds limit) {
    using namespace asio::experimental::awaitable_operators;
    constexpr auto readable = asio::posix::stream_descriptor::wait_read;
    asio::steady_timer timer(events_.get_executor());
    if (limit.count() > 0)
        timer.expires_after(limit);
    else
        timer.expires_at(asio::steady_timer::time_point::max());
    auto paths = changes();
    while (paths.empty()) {
        const auto first = co_await (events_.async_wait(readable, asio::use_awaitable) ||
                                     timer.async_wait(asio::use_awaitable));
        paths = changes();
        if (first.index() == 1)
            break;
    }
    co_return paths;
}

} // namespace xvsock::testbed
