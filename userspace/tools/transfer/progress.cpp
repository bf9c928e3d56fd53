// SPDX-License-Identifier: MIT
#include "transfer/progress.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace xvsock::transfer {

namespace {

constexpr std::size_t name_width = 16;
constexpr std::size_t bar_width = 16;

std::string format_time(double seconds) {
    if (seconds >= 360'000) // 100 h
        return "--:--";
    const auto whole = std::uint64_t(std::llround(seconds));
    return whole < 3600 ? fmt::format("{}:{:02}", whole / 60, whole % 60)
                        : fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

} // namespace

std::string format_bytes(double bytes) {
    static constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned unit = 0;
    for (; bytes >= 1024 && unit < 6; ++unit)
        bytes /= 1024;
    return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, units[unit]);
}

std::string format_progress(const std::string& name, std::uint64_t done, std::uint64_t total,
                            std::uint64_t moved, double seconds) {
    const double part = total == 0 ? 1 : std::min(1.0, double(done) / double(total));
    const double rate = seconds > 0 ? double(moved) / seconds : 0;
    const auto filled = std::size_t(part * double(bar_width));
    const std::string time = done >= total ? format_time(seconds)
                             : rate > 0    ? "ETA " + format_time(double(total - done) / rate)
                                           : "ETA --:--";
    return fmt::format("{:<{}} {:>3.0f}% [{:<{}}] {:>10} {:>12} {}", name.substr(0, name_width), name_width,
                       std::max(0.0, part * 100 - 0.5), std::string(filled, '#'), bar_width,
                       format_bytes(double(done)), format_bytes(rate) + "/s", time);
}

progress_bar::progress_bar(std::FILE* output, std::string name, std::uint64_t total, std::uint64_t resumed)
    : output_(output), name_(std::move(name)), total_(total), resumed_(resumed), done_(resumed),
      start_(std::chrono::steady_clock::now()), drawn_(start_) {}

progress_bar::~progress_bar() {
    if (!output_)
        return;
    draw();
    std::fputc('\n', output_);
    std::fflush(output_);
}

void progress_bar::update(std::uint64_t done) {
    done_ = done;
    if (!output_)
        return;
    const auto now = std::chrono::steady_clock::now();
    if (now - drawn_ < std::chrono::milliseconds(200))
        return;
    drawn_ = now;
    draw();
}

double progress_bar::seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void progress_bar::draw() {
    fmt::print(output_, "\r{}\033[K", format_progress(name_, done_, total_, done_ - resumed_, seconds()));
    std::fflush(output_);
}

} // namespace xvsock::transfer
