// SPDX-License-Identifier: MIT
#include "notify.hpp"

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace xvsock::peer {

namespace {

std::optional<long long> number_in(const char* variable) {
    const char* const text = std::getenv(variable);
    if (!text)
        return std::nullopt;
    long long number = 0;
    const char* const text_end = text + std::strlen(text);
    const auto [end, error] = std::from_chars(text, text_end, number);
    return error == std::errc{} && end == text_end ? std::optional(number) : std::nullopt;
}

} // namespace

service_manager::service_manager() {
    const char* const name = std::getenv("NOTIFY_SOCKET");
    if (!name || (name[0] != '/' && name[0] != '@') || std::strlen(name) >= sizeof(sockaddr_un::sun_path))
        return;
    address_ = name;
    if (address_[0] == '@') // a name in no file system
        address_[0] = '\0';
    socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const auto time = number_in("WATCHDOG_USEC");
    const auto process = number_in("WATCHDOG_PID");
    if (time && *time > 0 && (!process || *process == getpid()))
        watchdog_ = std::chrono::microseconds(*time);
}

service_manager::~service_manager() {
    if (socket_ >= 0)
        ::close(socket_);
}

void service_manager::tell(std::string_view state) const {
    if (socket_ < 0)
        return;
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, address_.data(), address_.size());
    const auto length = socklen_t(offsetof(sockaddr_un, sun_path) + address_.size());
    [[maybe_unused]] const ssize_t ignored =
        ::sendto(socket_, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&to), length);
}

} // namespace xvsock::peer
