// SPDX-License-Identifier: MIT
/// Looks at the processors of a running testbed again and again, through QEMU's monitor. In virtual time
/// nobody in the machine can notice: while it looks, the clock stands still.
#pragma once

#include "registers.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

namespace xvsock::bench {

class sampler {
public:
    explicit sampler(boost::asio::any_io_executor executor);
    sampler(const sampler&) = delete;
    sampler& operator=(const sampler&) = delete;
    ~sampler();

    /// For the testbed's --monitor.
    std::filesystem::path socket() const;

    /// A line of the testbed's: "cost PATH TEST begins" and "... ends" bound what is looked at.
    void heard(const std::string& line);

    /// What was found in each test, as JSON.
    void write(const std::filesystem::path& file) const;

private:
    struct state;
    std::shared_ptr<state> state_; // shared with the coroutine that looks
};

} // namespace xvsock::bench
