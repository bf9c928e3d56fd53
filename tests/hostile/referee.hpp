// SPDX-License-Identifier: MIT
// What the referees agree on: hostile-referee runs in the victim, in the witness and in dom0, and is asked
// over TCP, past the sockets that are under attack.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <boost/asio/ip/tcp.hpp>

namespace xvsock::hostile {

inline constexpr const char* referee_port = "7100";

// What a socket of the victim is used for, once it is connected.
//   receive   recv() until it fails or the end
//   send      send() until it fails
//   both      both at once; the first error counts
//   poll      poll(POLLIN), then recv() without waiting, until it fails or the end
//   fill      send() without waiting, poll(POLLOUT) when full, until it fails
//   half      sends a little, shuts down its sending, then as receive
//   echo      sends back what it gets; at the end of input it closes
//   ask       sends 5,000 bytes and expects them back
//   idle      nothing
//   late      waits for 300 ms, then as receive
//   hang_up   closes at once
enum class action { receive, send, both, poll, fill, half, echo, ask, idle, late, hang_up };

inline constexpr const char* action_names[] = {"receive", "send", "both", "poll", "fill",   "half",
                                               "echo",    "ask",  "idle", "late", "hang_up"};

// Listening sockets of the referee: this one and the action's number. The last has a backlog of 1 that nobody
// takes anything out of.
inline constexpr std::uint32_t first_service = 7200;
constexpr std::uint32_t service_port(action what) {
    return first_service + static_cast<std::uint32_t>(what);
}
inline constexpr std::uint32_t port_never_accepted = first_service + 50;
inline constexpr std::uint32_t port_nobody = first_service + 60;

// How a socket of the victim has fared.
struct outcome {
    bool ended = false;
    int connect_error = 0; // errno of connect(), 0 also for an accepted socket
    int error = 0;         // that it ended with; 0 for the end of input
    std::uint64_t bytes = 0;
};

// What the kernel of a domain says about itself.
struct health {
    int module_references = 0;
    int data_channels = 0;    // event channels of connections
    int control_channels = 0; // of links
    int kernel_lines = 0;     // logged since the referee began
    long available_kib = 0;
    // Of all peers, by the module's own counters:
    long connections = 0;
    long pages = 0; // of large rings, granted and mapped
    long violations = 0;

    [[nodiscard]] bool idle() const {
        return module_references == 0 && data_channels == 0 && connections == 0 && pages == 0;
    }
};

// One connection to a referee. All of these throw std::runtime_error when the referee says no.
class referee {
public:
    referee(const std::string& name, const std::string& host);

    // Has it connect a socket; returns the socket's number.
    int connect(std::uint32_t cid, std::uint32_t port, action what, int timeout_ms = 20000);
    // The socket that was accepted from this address, if it comes in time.
    std::optional<int> accepted(std::uint32_t cid, std::uint32_t port, int limit_ms = 20000);
    // Waits for the end.
    outcome wait(int socket, int limit_ms);
    // Closes all sockets to this CID; how long that took, in milliseconds. Fails when one of them hangs.
    int close_all(std::uint32_t cid);
    health check();
    // What the kernel has logged since this was last asked.
    std::string kernel_log();
    // Runs a command line; what it prints. Fails when its status is not 0.
    std::string run(const std::string& command_line);

private:
    std::string ask(const std::string& question);

    std::string name_;
    boost::asio::ip::tcp::iostream stream_;
};

} // namespace xvsock::hostile
