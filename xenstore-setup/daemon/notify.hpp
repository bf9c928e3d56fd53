// SPDX-License-Identifier: MIT
/// Telling the service manager how things are: sd_notify(3)'s protocol. Without one nothing is told.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace xvsock::peer {

class service_manager {
public:
    /// Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID from the environment.
    service_manager();
    ~service_manager();
    service_manager(const service_manager&) = delete;
    service_manager& operator=(const service_manager&) = delete;

    /// Lines as "READY=1". Never blocks.
    void tell(std::string_view state) const;

    /// Within which time it wants to be told WATCHDOG=1 each time.
    std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }

private:
    int socket_ = -1;
    std::string address_; ///< as in sockaddr_un's path
    std::optional<std::chrono::microseconds> watchdog_;
};

} // namespace xvsock::peer
