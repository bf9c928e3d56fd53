// SPDX-License-Identifier: MIT
// Both sides of one run of a test program: the client here, the server in another domain.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "test_program.hpp"

namespace xvsock::conformance {

/// What to run, and where.
struct pair_request {
    boost::asio::ip::tcp::endpoint peer; ///< of conformance-peer
    std::vector<std::string> server_argv;
    std::vector<std::string> client_argv;
    unsigned short listens = 0;        ///< TCP port that the server's program opens; 0: none
    std::chrono::milliseconds limit{}; ///< the client may print nothing for so long
};

struct pair_result {
    struct side {
        std::string output;
        bool succeeded = false;
        std::string end; ///< its exit status in words
    };

    std::shared_ptr<const test_program> client;
    side server;
    bool stalled = false; ///< the limit was over and both were killed
    std::chrono::steady_clock::time_point finished;
};

/// Runs both until they end. When one fails, the other one is killed after a moment, since it would only
/// wait. Throws when the peer cannot be reached or a program cannot even be killed.
boost::asio::awaitable<pair_result> run_pair(pair_request request);

} // namespace xvsock::conformance
