// SPDX-License-Identifier: MIT
#include "ping/statistics.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <fmt/format.h>

namespace xvsock::ping {

void statistics::add(outcome what, std::chrono::nanoseconds time) {
    ++sent_;
    if (what != outcome::connected && what != outcome::refused)
        return;
    ++(what == outcome::connected ? connected_ : refused_);
    const double ms = std::chrono::duration<double, std::milli>(time).count();
    min_ = answered() == 1 ? ms : std::min(min_, ms);
    max_ = std::max(max_, ms);
    const double from_mean = ms - mean_;
    mean_ += from_mean / double(answered());
    squares_ += from_mean * (ms - mean_);
}

double statistics::loss() const noexcept {
    return sent_ == 0 ? 0 : 100.0 * double(sent_ - answered()) / double(sent_);
}

double statistics::average() const noexcept {
    return mean_;
}

double statistics::deviation() const noexcept {
    return answered() == 0 ? 0 : std::sqrt(squares_ / double(answered()));
}

std::string format_summary(const std::string& peer, const statistics& all) {
    std::string text =
        fmt::format("--- {} ---\n{} sent, {} answered ({} connected, {} refused), {:.0f}% loss\n", peer,
                    all.sent(), all.answered(), all.connected(), all.refused(), all.loss());
    if (all.answered() != 0)
        text += fmt::format("min/avg/max/mdev = {:.3f}/{:.3f}/{:.3f}/{:.3f} ms\n", all.min(), all.average(),
                            all.max(), all.deviation());
    return text;
}

std::string format_summary_json(const std::string& peer, const statistics& all) {
    boost::json::object line{{"peer", peer},
                             {"sent", all.sent()},
                             {"answered", all.answered()},
                             {"connected", all.connected()},
                             {"refused", all.refused()},
                             {"loss_percent", all.loss()}};
    if (all.answered() != 0) {
        line["min_ms"] = all.min();
        line["avg_ms"] = all.average();
        line["max_ms"] = all.max();
        line["mdev_ms"] = all.deviation();
    }
    return boost::json::serialize(line) + "\n";
}

} // namespace xvsock::ping
