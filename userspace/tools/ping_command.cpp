// SPDX-License-Identifier: MIT
// `xvsock ping`: how long the peer's module takes to answer a request to connect.
#include "command_line.hpp"
#include "peers/peer_list.hpp"
#include "perf/quantity.hpp"
#include "ping/statistics.hpp"
#include "sockets/connect.hpp"
#include "subcommand.hpp"

#include <xvsock/error.hpp>

#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>

namespace xvsock {

namespace asio = boost::asio;
namespace po = boost::program_options;
using boost::system::error_code;

namespace {

/// Nobody listens there as a rule, so that a ping disturbs no program: tcpmux.
constexpr port_type ping_port = 1;

struct ping_options {
    std::uint64_t count = 0; ///< 0 for no end
    std::chrono::nanoseconds interval{};
    std::chrono::nanoseconds timeout{};
    bool json = false;
};

struct ping_result {
    ping::outcome what = ping::outcome::failed;
    std::chrono::nanoseconds time{};
    std::string why; ///< of what is no answer
};

class pinger {
public:
    pinger(const ping_options& given, sockets::place peer)
        : given_(given), peer_(std::move(peer)), signals_(context_, SIGINT, SIGTERM) {
        signals_.async_wait([this](const error_code&, int) {
            interrupted_ = true;
            context_.stop();
        });
    }

    /// Returns the exit status.
    int run() {
        if (!given_.json)
            show(fmt::format("PING {}{}\n", peer_.text, cid_text()));
        auto due = std::chrono::steady_clock::now();
        for (std::uint64_t number = 1; given_.count == 0 || number <= given_.count; ++number) {
            const auto result = attempt();
            if (interrupted_)
                break;
            all_.add(result.what, result.time);
            show(given_.json ? json_line(number, result) : line(number, result));
            due = std::max(due + given_.interval, std::chrono::steady_clock::now());
            if (number != given_.count && !sleep_until(due))
                break;
        }
        show(given_.json ? ping::format_summary_json(peer_.text, all_)
                         : ping::format_summary(peer_.text, all_));
        return all_.answered() != 0 ? exit_ok : exit_failed;
    }

private:
    ping_result attempt() {
        error_code error;
        const auto start = std::chrono::steady_clock::now();
        {
            const auto socket =
                sockets::connect_within(context_, peer_.endpoints.front(), given_.timeout, error);
        }
        ping_result result{.what = {}, .time = std::chrono::steady_clock::now() - start, .why = {}};
        if (!error)
            result.what = ping::outcome::connected;
        else if (error == asio::error::timed_out)
            result.what = ping::outcome::timed_out;
        else if (error == asio::error::connection_reset || error == asio::error::connection_refused)
            result.what = is_plain() ? ping::outcome::failed : ping::outcome::refused;
        else
            result.what = ping::outcome::failed;
        if (result.what != ping::outcome::connected && result.what != ping::outcome::refused)
            result.why = explain(error);
        return result;
    }

    /// Of a plain peer this domain's own module says that nobody offers a vchan: no sign of life.
    bool is_plain() const {
        if (peer_.where.family != perf::address_family::vsock)
            return false;
        const auto link = peers::find_link(peer_.where.cid);
        return link && link->plain;
    }

    std::string explain(const error_code& error) const {
        if (peer_.where.family == perf::address_family::vsock) {
            if (error == asio::error::connection_reset)
                return "the peer has no module, and offers no vchan at that port, or dom0 does not allow it";
            // A link is one thing, and that both ends have come up another.
            const auto link = likely_cause(error) == cause::no_link ? peers::find_link(peer_.where.cid)
                                                                    : std::optional<known_link>{};
            if (link)
                return fmt::format(
                    "the link is not connected (here it is {}): is xen_vsock loaded in the peer?",
                    xenstore::state_word(link->state));
        }
        const auto reason = perf::likely_reason(peer_.where, sockets::address_role::connect, error.value());
        return reason.empty() ? error.message() : reason;
    }

    std::string cid_text() const {
        return peer_.where.family == perf::address_family::vsock ? fmt::format(" (CID {})", peer_.where.cid)
                                                                 : std::string();
    }

    std::string line(std::uint64_t number, const ping_result& result) const {
        const double ms = std::chrono::duration<double, std::milli>(result.time).count();
        switch (result.what) {
        case ping::outcome::connected:
            return fmt::format("connected to {}: seq={} time={:.3f} ms\n", peer_.text, number, ms);
        case ping::outcome::refused:
            return fmt::format("refused by {}: seq={} time={:.3f} ms (nobody listens)\n", peer_.text, number,
                               ms);
        case ping::outcome::timed_out:
            return fmt::format("no answer from {}: seq={} after {:.0f} ms; {}\n", peer_.text, number, ms,
                               result.why);
        case ping::outcome::failed:
            break;
        }
        return fmt::format("cannot ask {}: seq={}; {}\n", peer_.text, number, result.why);
    }

    std::string json_line(std::uint64_t number, const ping_result& result) const {
        static constexpr const char* names[] = {"connected", "refused", "timeout", "failed"};
        boost::json::object line{{"peer", peer_.text},
                                 {"seq", number},
                                 {"outcome", names[unsigned(result.what)]},
                                 {"ms", std::chrono::duration<double, std::milli>(result.time).count()}};
        if (!result.why.empty())
            line["reason"] = result.why;
        return boost::json::serialize(line) + "\n";
    }

    static void show(const std::string& text) {
        fmt::print("{}", text);
        if (std::fflush(stdout) != 0) // nobody looks any more
            throw std::runtime_error(fmt::format("cannot write the output: {}", std::strerror(errno)));
    }

    /// Returns false when a signal has come.
    bool sleep_until(std::chrono::steady_clock::time_point due) {
        context_.restart();
        context_.run_until(due);
        return !interrupted_;
    }

    ping_options given_;
    sockets::place peer_;
    asio::io_context context_{1};
    asio::signal_set signals_;
    bool interrupted_ = false;
    ping::statistics all_;
};

} // namespace

int run_ping(const std::vector<std::string>& arguments) {
    ping_options given;
    std::string count;
    seconds_option interval{"1"}, timeout{"2"};
    command_line line(
        "Usage: xvsock ping [OPTION...] PEER[:PORT]\n"
        "Shows how long the peer's module takes to answer a request to connect. Where nobody listens its\n"
        "refusal is the answer, so that any port will do; without PORT it is 1. Where somebody listens, the\n"
        "connection is closed at once. PEER is a peer's name or a CID; tcp:HOST:PORT and unix:PATH do, "
        "too.\n",
        "Exit status: 0 there was an answer, 1 there was none, 2 wrong command line.\n");
    line.add_options()("count,c", po::value(&count)->value_name("N"), "end after N requests")(
        "interval,i", po::value(&interval.text)->value_name("S"),
        "time from one request to the next (default 1)")("timeout", po::value(&timeout.text)->value_name("S"),
                                                         "how long an answer may take (default 2)")(
        "json", po::bool_switch(&given.json), "a line of JSON for each request, and one for all");
    if (!line.read(arguments))
        return exit_ok;
    if (line.words().size() != 1)
        throw usage_error("one peer is wanted: PEER or PEER:PORT");
    given.interval = interval.value("interval");
    given.timeout = timeout.value("timeout");
    std::optional<sockets::place> peer;
    try {
        if (!count.empty() && (given.count = perf::parse_number(count, "count")) == 0)
            throw usage_error("--count must be at least 1");
        peer = sockets::find_peer(line.words().front(), ping_port);
    } catch (const std::invalid_argument& error) {
        throw usage_error(error.what());
    }
    return pinger(given, *std::move(peer)).run();
}

} // namespace xvsock
