// SPDX-License-Identifier: MIT
#include "agent/outside.hpp"

#include <array>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/serialize.hpp>

namespace asio = boost::asio;

namespace xvsock::testbed {

namespace {

int open_port() {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/sys/class/virtio-ports", ignored)) {
        std::string name;
        std::ifstream(entry.path() / "name") >> name;
        if (name != "testbed")
            continue;
        const auto device = "/dev/" + entry.path().filename().string();
        const int fd = ::open(device.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
            throw std::system_error(errno, std::generic_category(), device);
        return fd;
    }
    throw std::runtime_error("dom0 has no virtio-serial port named \"testbed\"");
}

} // namespace

outside::outside(const asio::any_io_executor& executor)
    : port_(executor, open_port()), written_(executor, asio::steady_timer::time_point::max()),
      queued_(executor, asio::steady_timer::time_point::max()) {}

void outside::send(const frame& message) {
    queue_.push_back(encode(message));
    queued_bytes_ += queue_.back().size();
    queued_.cancel();
}

void outside::event(const std::string& kind, boost::json::object details) {
    details["event"] = kind;
    send({frame_kind::event, "", boost::json::serialize(details)});
}

asio::awaitable<void> outside::drained(std::size_t limit) {
    while (queued_bytes_ > limit) {
        boost::system::error_code ignored;
        co_await written_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
}

asio::awaitable<void> outside::write_loop() {
    for (;;) {
        while (queue_.empty()) {
            boost::system::error_code ignored;
            co_await queued_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        }
        const auto& bytes = queue_.front(); // a deque's elements stay where they are when more are added
        co_await asio::async_write(port_, asio::buffer(bytes), asio::use_awaitable);
        queued_bytes_ -= bytes.size();
        queue_.pop_front();
        written_.cancel();
    }
}

asio::awaitable<void> outside::read_loop(std::function<void(frame)> handler) {
    frame_decoder decoder;
    std::array<char, 16384> buffer;
    for (;;) {
        const auto count = co_await port_.async_read_some(asio::buffer(buffer), asio::use_awaitable);
        decoder.feed({buffer.data(), count});
        while (auto message = decoder.next())
            handler(std::move(*message));
    }
}

} // namespace xvsock::testbed
