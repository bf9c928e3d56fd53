// SPDX-License-Identifier: MIT
#include "agent/console_follow.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <map>
#include <sys/inotify.h>
#include <system_error>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace asio = boost::asio;

namespace xvsock::testbed {

namespace {

constexpr std::string_view prefix = "guest-";
constexpr std::string_view suffix = ".log";

class follower {
public:
    follower(std::string folder, std::function<void(const std::string&, std::string_view)> sink)
        : folder_(std::move(folder)), sink_(std::move(sink)) {}

    // Reads on from where the last call for this file ended.
    void advance(const std::string& file) {
        if (!file.starts_with(prefix) || !file.ends_with(suffix))
            return;
        const auto name = file.substr(prefix.size(), file.size() - prefix.size() - suffix.size());
        const int fd = ::open((folder_ + "/" + file).c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return;
        std::array<char, 65536> buffer;
        for (auto& offset = offsets_[file];;) {
            const auto count = ::pread(fd, buffer.data(), buffer.size(), offset);
            if (count <= 0)
                break;
            offset += count;
            sink_(name, {buffer.data(), static_cast<std::size_t>(count)});
        }
        ::close(fd);
    }

    // Takes what inotify(7) delivered.
    void advance_all(std::string_view events) {
        while (events.size() >= sizeof(inotify_event)) {
            const auto* event = reinterpret_cast<const inotify_event*>(events.data());
            const std::size_t size = sizeof(inotify_event) + event->len;
            if (event->len > 0)
                advance(event->name);
            events.remove_prefix(size);
        }
    }

private:
    std::string folder_;
    std::function<void(const std::string&, std::string_view)> sink_;
    std::map<std::string, off_t> offsets_;
};

} // namespace

asio::awaitable<void> follow_consoles(std::string folder,
                                      std::function<void(const std::string&, std::string_view)> sink) {
    follower files(folder, std::move(sink));
    asio::posix::stream_descriptor events(co_await asio::this_coro::executor,
                                          ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (::inotify_add_watch(events.native_handle(), folder.c_str(), IN_MODIFY | IN_CREATE) < 0)
        throw std::system_error(errno, std::generic_category(), folder);
    std::array<char, 8192> buffer;
    for (;;) {
        const auto count = co_await events.async_read_some(asio::buffer(buffer), asio::use_awaitable);
        files.advance_all({buffer.data(), count});
    }
}

} // namespace xvsock::testbed
