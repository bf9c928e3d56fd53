// SPDX-License-Identifier: MIT
/// What `xvsock ping` has seen, in numbers.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace xvsock::ping {

enum class outcome {
    connected, ///< somebody listens
    refused,   ///< the peer's module says that nobody does: an answer, too
    timed_out, ///< no answer
    failed,    ///< there was nobody to ask
};

/// Times of the answers; all in milliseconds.
class statistics {
public:
    void add(outcome what, std::chrono::nanoseconds time);

    std::uint64_t sent() const noexcept { return sent_; }
    std::uint64_t answered() const noexcept { return connected_ + refused_; }
    std::uint64_t connected() const noexcept { return connected_; }
    std::uint64_t refused() const noexcept { return refused_; }
    /// In percent.
    double loss() const noexcept;
    double min() const noexcept { return min_; }
    double max() const noexcept { return max_; }
    double average() const noexcept;
    /// The standard deviation, as ping(8) calls it.
    double deviation() const noexcept;

private:
    std::uint64_t sent_ = 0, connected_ = 0, refused_ = 0;
    double min_ = 0, max_ = 0;
    double mean_ = 0, squares_ = 0; ///< Welford's: no difference of large sums
};

/// The last lines, for people.
std::string format_summary(const std::string& peer, const statistics& all);

/// The last line of JSON.
std::string format_summary_json(const std::string& peer, const statistics& all);

} // namespace xvsock::ping
