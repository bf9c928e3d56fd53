// SPDX-License-Identifier: MIT
#include "agent/leaks.hpp"

#include <fstream>
#include <iterator>
#include <sys/mount.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "common/kmemleak.hpp"
#include "common/plan.hpp"

namespace asio = boost::asio;

namespace xvsock::testbed {

namespace {

constexpr const char* debugfs = "/sys/kernel/debug";
constexpr const char* report_file = "/sys/kernel/debug/kmemleak";
// kmemleak takes no object for leaked that is younger than 5 s, nor one that has changed since the scan
// before.
constexpr auto between_scans = std::chrono::seconds(6);
constexpr int scans = 2;
constexpr std::size_t shown = 1500; // a xenstore node holds no more than 2 KiB

} // namespace

asio::awaitable<std::string> find_leaks() {
    ::mount("debugfs", debugfs, "debugfs", 0, nullptr); // refused where it is mounted
    asio::steady_timer timer(co_await asio::this_coro::executor);
    for (int i = 0; i < scans; ++i) {
        timer.expires_after(between_scans);
        co_await timer.async_wait(asio::use_awaitable);
        std::ofstream control(report_file);
        control << "scan" << std::flush;
        if (!control)
            co_return "kmemleak does not scan; has it run out of memory?";
    }
    std::ifstream in(report_file);
    const std::string report{std::istreambuf_iterator<char>(in), {}};
    if (report.empty())
        co_return "";
    std::ofstream(std::string(results_folder) + "/kmemleak") << report;
    const auto leaks = vsock_leaks(report);
    if (leaks.empty())
        co_return "";
    co_return fmt::format("{} leaked objects (all are in results/NAME/kmemleak), the first is\n{}",
                          leaks.size(), leaks.front().substr(0, shown));
}

} // namespace xvsock::testbed
