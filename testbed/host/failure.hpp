// SPDX-License-Identifier: MIT
// Errors that end the program with one clear message.
#pragma once

#include <stdexcept>
#include <string>

namespace xvsock::testbed {

/// Exit statuses of the program.
enum exit_code : int {
    exit_passed = 0,
    exit_failed = 1,      ///< the scenario ran and failed
    exit_usage = 2,       ///< the command line or the scenario's description is wrong
    exit_environment = 3, ///< a tool, the network, room on the disk or something else of the host is missing
    exit_interrupted = 130,
};

/// Something went wrong that the user must know; what() is the message.
class failure : public std::runtime_error {
public:
    failure(exit_code code, const std::string& message) : std::runtime_error(message), code_(code) {}
    [[nodiscard]] exit_code code() const noexcept { return code_; }

private:
    exit_code code_;
};

} // namespace xvsock::testbed
