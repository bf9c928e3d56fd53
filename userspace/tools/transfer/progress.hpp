// SPDX-License-Identifier: MIT
/// A bar that grows, for people who wait.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace xvsock::transfer {

/// Binary units: "1.5 GiB".
std::string format_bytes(double bytes);

/// "NAME  45% [#####      ]  7.2 MiB  95.3 MiB/s  ETA 0:03". `done` and `total` count from the file's begin;
/// `moved` have taken `seconds`. At the end the time that it took is in the place of the ETA.
std::string format_progress(const std::string& name, std::uint64_t done, std::uint64_t total,
                            std::uint64_t moved, double seconds);

/// Draws on a terminal, a few times a second. The line is ended when the object goes.
class progress_bar {
public:
    /// With nullptr it draws nothing. `resumed` bytes were there before.
    progress_bar(std::FILE* output, std::string name, std::uint64_t total, std::uint64_t resumed);
    progress_bar(const progress_bar&) = delete;
    progress_bar& operator=(const progress_bar&) = delete;
    ~progress_bar();

    /// `done` bytes of the file are there by now.
    void update(std::uint64_t done);

    double seconds() const;

private:
    void draw();

    std::FILE* output_;
    std::string name_;
    std::uint64_t total_, resumed_, done_;
    std::chrono::steady_clock::time_point start_, drawn_;
};

} // namespace xvsock::transfer
