// SPDX-License-Identifier: MIT
// Runs one scenario script: environment, output, exit status.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>

#include "agent/store.hpp"
#include "common/plan.hpp"

namespace xvsock::testbed {

/// Reads /testbed/plan.json. Throws std::exception with the reason.
run_plan load_plan();

/// The variables that a script of this domain sees; domids are read from xenstore.
std::vector<std::pair<std::string, std::string>> script_environment(const run_plan& plan, store& xenstore,
                                                                    const std::string& name);

/// One run of /testbed/scripts/NAME.
class script_run {
public:
    /// Each piece of output goes to `output` as it comes.
    script_run(boost::asio::any_io_executor executor, std::function<void(std::string_view)> output);

    /// Runs it to its end and returns "0", "3", "signal 9", "killed", or "127" when it cannot be started.
    /// Processes that the script left behind in the background go on.
    boost::asio::awaitable<std::string> run(std::string name,
                                            std::vector<std::pair<std::string, std::string>> environment);
    /// Kills it if it still runs.
    void kill() noexcept;
    [[nodiscard]] bool was_killed() const noexcept { return killed_; }

private:
    boost::asio::any_io_executor executor_;
    std::function<void(std::string_view)> output_;
    pid_t session_ = -1;
    bool killed_ = false;
};

} // namespace xvsock::testbed
