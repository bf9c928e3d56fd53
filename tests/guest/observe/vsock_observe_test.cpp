// SPDX-License-Identifier: MIT
// Whether what can be seen from outside is what happened: counters, ss, tracepoints, captures.
//   vsock-observe-test SERVER [--gtest_filter=...]   SERVER is a domain in which these run:
//   vsock-services
//   vsock-observe-test --serve                       does what the client asks for
//   vsock-observe-test --flows FILE                  prints the flows of a capture
#include "observe/capture.hpp"
#include "observe/command.hpp"
#include "run_tests.hpp"
#include "vsock_socket.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <regex>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <boost/json.hpp>
#include <gtest/gtest.h>

using namespace xvsock::guest;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

std::unique_ptr<other_domain> server; // set by main()

// -- sockets -------------------------------------------------------------------

struct connection {
    descriptor socket;
    std::uint32_t port = 0; // of this end
};

connection connect_to(std::uint32_t port) {
    connection result{.socket = make_socket()};
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(result.socket.get(), AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience, sizeof patience);
    const int error = try_connect(result.socket.get(), server->cid(), port);
    EXPECT_EQ(error, 0) << std::strerror(error) << ", connecting to port " << port;
    sockaddr_vm local{};
    socklen_t size = sizeof local;
    EXPECT_EQ(::getsockname(result.socket.get(), reinterpret_cast<sockaddr*>(&local), &size), 0);
    result.port = local.svm_port;
    return result;
}

std::string pattern_text(std::size_t size) {
    std::string result(size, '\0');
    for (std::size_t i = 0; i < size; ++i)
        result[i] = static_cast<char>(pattern(i));
    return result;
}

// Sends to the service that counts, and takes its answer.
void send_to_count(int fd, std::size_t size) {
    const std::string data = pattern_text(size);
    EXPECT_TRUE(send_all(fd, data.data(), data.size()));
    ::shutdown(fd, SHUT_WR);
    std::uint64_t result[2]{};
    EXPECT_EQ(receive_all(fd, result, sizeof result), sizeof result);
    EXPECT_EQ(result[0], size);
}

void receive_from_source(int fd, std::uint64_t size) {
    EXPECT_TRUE(send_all(fd, &size, sizeof size));
    std::vector<std::uint8_t> data(size);
    ASSERT_EQ(receive_all(fd, data.data(), data.size()), size);
    for (std::size_t i = 0; i < size; ++i)
        ASSERT_EQ(data[i], pattern(i)) << "at " << i;
}

void expect_echo(int fd, const std::string& data) {
    std::thread sender([&] { EXPECT_TRUE(send_all(fd, data.data(), data.size())); });
    std::string back(data.size(), '\0');
    EXPECT_EQ(receive_all(fd, back.data(), back.size()), back.size());
    sender.join();
    EXPECT_TRUE(back == data) << "the echo of " << data.size() << " bytes differs";
}

// -- counters ------------------------------------------------------------------

std::uint32_t own_cid() {
    return static_cast<std::uint32_t>(std::stoul(variable("CID")));
}

struct counters {
    json::object peer;
    json::array connections;

    std::uint64_t operator[](const char* key) const { return peer.at(key).to_number<std::uint64_t>(); }

    const json::object* find(std::uint32_t local_port, std::uint32_t remote_port) const {
        for (const auto& one : connections)
            if (one.at("local_port") == local_port && one.at("remote_port") == remote_port)
                return &one.as_object();
        return nullptr;
    }
};

counters read_counters(const outcome& stat) {
    if (stat.status != 0)
        throw std::runtime_error("xvsock stat failed: " + stat.output);
    const auto root = json::parse(stat.output).as_object();
    if (root.at("peers").as_array().size() != 1)
        throw std::runtime_error("not one peer: " + stat.output);
    return {.peer = root.at("peers").at(0).as_object(), .connections = root.at("connections").as_array()};
}

counters ours() {
    return read_counters(run({"xvsock", "stat", "--json", "-", "--cid", std::to_string(server->cid())}));
}

counters theirs() {
    return read_counters(server->shell("xvsock stat --json - --cid " + variable("CID")));
}

// Both ends' counters before something happens, and what they have counted since.
class both_ends {
public:
    both_ends() : ours_(::ours()), theirs_(::theirs()) {
        EXPECT_EQ(ours_["initiated"], 0u) << "something of an earlier test is left";
        EXPECT_EQ(theirs_["accepted"], 0u) << "something of an earlier test is left";
    }

    // Waits until no connection is left, because an end is counted when the last memory is given back.
    void after_the_end() {
        const bool ended = eventually([&] {
            ours_after_ = ::ours();
            theirs_after_ = ::theirs();
            return ours_after_["initiated"] == 0 && theirs_after_["accepted"] == 0;
        });
        EXPECT_TRUE(ended) << "connections are left: " << ours_after_["initiated"] << " here, "
                           << theirs_after_["accepted"] << " there";
        for (const auto* end : {&ours_after_, &theirs_after_}) {
            EXPECT_TRUE(end->connections.empty());
            EXPECT_EQ((*end)["granted_pages"], 0u);
            EXPECT_EQ((*end)["mapped_pages"], 0u);
            EXPECT_EQ((*end)["violations"], 0u);
            EXPECT_LE((*end)["spurious"], (*end)["events"]);
            EXPECT_LE((*end)["spins_won"], (*end)["spins"]);
        }
        // What each side counts of the other has to fit.
        EXPECT_EQ(ours("tx_bytes"), theirs("rx_bytes"));
        EXPECT_EQ(ours("rx_bytes"), theirs("tx_bytes"));
        EXPECT_EQ(ours("connected"), theirs("connected"));
        EXPECT_EQ(ours("refused"), theirs("refused"));
        // Kicks can arrive as one event. When it binds the event channel, the acceptor gets one from Xen.
        EXPECT_LE(ours("events"), theirs("kicks"));
        EXPECT_LE(theirs("events"), ours("kicks") + ours("connected"));
    }

    std::uint64_t ours(const char* key) const { return ours_after_[key] - ours_[key]; }
    std::uint64_t theirs(const char* key) const { return theirs_after_[key] - theirs_[key]; }

private:
    counters ours_, theirs_, ours_after_, theirs_after_;
};

// -- the tool ------------------------------------------------------------------

constexpr const char* debugfs = "/sys/kernel/debug";

// First: nothing has mounted it here.
TEST(Stat, SaysThatDebugfsIsNotMounted) {
    const auto stat = run({"xvsock", "stat"});
    EXPECT_EQ(stat.status, 1);
    EXPECT_NE(stat.output.find("mount -t debugfs none /sys/kernel/debug"), std::string::npos) << stat.output;
    ASSERT_EQ(::mount("none", debugfs, "debugfs", 0, nullptr), 0) << std::strerror(errno);
    EXPECT_EQ(run({"xvsock", "stat"}).status, 0);
}

TEST(Stat, SaysThatOnlyRootMayReadIt) {
    const auto stat = run_as_nobody({"xvsock", "stat"});
    EXPECT_EQ(stat.status, 1);
    EXPECT_NE(stat.output.find("only root may"), std::string::npos) << stat.output;
}

TEST(Stat, SaysThatThereIsNoSuchPeer) {
    const auto stat = run({"xvsock", "stat", "--cid", "31000"});
    EXPECT_EQ(stat.status, 1);
    EXPECT_NE(stat.output.find("no peer with CID 31000"), std::string::npos) << stat.output;
}

TEST(Stat, ShowsTablesOfPeersAndConnections) {
    const auto open = connect_to(service::echo);
    const auto stat = run({"xvsock", "stat", "--connections"});
    EXPECT_EQ(stat.status, 0);
    const std::regex line("\n" + std::to_string(server->cid()) + " +[0-9]+ +initiator +established +" +
                          std::to_string(open.port) + " +7000 ");
    EXPECT_TRUE(std::regex_search(stat.output, line)) << stat.output;
}

TEST(Stat, WatchesWhatIsMoved) {
    child watch({"xvsock", "stat", "--watch", "0.5", "--samples", "5", "--json", "-", "--cid",
                 std::to_string(server->cid())});
    ASSERT_TRUE(watch.says("\n"));
    const auto moving = connect_to(service::count);
    send_to_count(moving.socket.get(), 300'000);
    const auto stat = watch.wait();
    EXPECT_EQ(stat.status, 0) << stat.output;

    std::istringstream lines(stat.output);
    double moved = 0;
    std::uint64_t first = 0, last = 0;
    unsigned count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        const auto sample = json::parse(line);
        const auto& peer = sample.at("peers").at(0);
        last = peer.at("tx_bytes").to_number<std::uint64_t>();
        if (count == 0) {
            first = last;
            continue;
        }
        const auto seconds = sample.at("seconds").to_number<double>();
        EXPECT_GT(seconds, 0.1);
        moved += peer.at("rates").at("tx_bytes").to_number<double>() * seconds;
    }
    EXPECT_EQ(count, 5u);
    EXPECT_NEAR(moved, double(last - first), 1);
    EXPECT_GE(last - first, 300'000u);
}

// -- counters of both ends -----------------------------------------------------

TEST(Counters, ListAConnectionWhileItIsOpen) {
    both_ends ends;
    {
        const auto open = connect_to(service::echo);
        expect_echo(open.socket.get(), pattern_text(10));
        const counters here = ours(), there = theirs();
        EXPECT_EQ(here["initiated"], 1u);
        EXPECT_EQ(there["accepted"], 1u);
        const auto* our_end = here.find(open.port, service::echo);
        const auto* their_end = there.find(service::echo, open.port);
        ASSERT_TRUE(our_end && their_end)
            << json::serialize(here.connections) << json::serialize(there.connections);
        EXPECT_EQ(our_end->at("cid"), server->cid());
        EXPECT_EQ(their_end->at("cid"), own_cid());
        EXPECT_EQ(our_end->at("id"), their_end->at("id"));
        EXPECT_EQ(our_end->at("role"), "initiator");
        EXPECT_EQ(their_end->at("role"), "acceptor");
        for (const auto* end : {our_end, their_end}) {
            EXPECT_EQ(end->at("state"), "established");
            EXPECT_EQ(end->at("tx_bytes"), 10);
            EXPECT_EQ(end->at("rx_bytes"), 10);
            EXPECT_EQ(end->at("tx_messages"), 1);
            EXPECT_EQ(end->at("rx_messages"), 1);
        }
        EXPECT_EQ(our_end->at("tx_ring"), their_end->at("rx_ring"));
        EXPECT_EQ(our_end->at("rx_ring"), their_end->at("tx_ring"));
    }
    ends.after_the_end();
    EXPECT_EQ(ends.ours("tx_bytes"), 10u);
    EXPECT_EQ(ends.ours("rx_bytes"), 10u);
}

TEST(Counters, CountEveryMessageOfAPingPong) {
    constexpr unsigned rounds = 200, size = 100;
    both_ends ends;
    {
        const auto open = connect_to(service::echo);
        for (unsigned i = 0; i < rounds; ++i) {
            std::string message = pattern_text(size);
            ASSERT_TRUE(send_all(open.socket.get(), message.data(), size));
            ASSERT_EQ(receive_all(open.socket.get(), message.data(), size), size);
        }
    }
    ends.after_the_end();
    for (const char* key : {"tx_messages", "rx_messages"}) {
        EXPECT_EQ(ends.ours(key), rounds) << key;
        EXPECT_EQ(ends.theirs(key), rounds) << key;
    }
    EXPECT_EQ(ends.ours("tx_bytes"), rounds * size);
    EXPECT_EQ(ends.ours("rx_bytes"), rounds * size);
    EXPECT_EQ(ends.ours("connected"), 1u);
    // Closing is a kick, too; each message needs one at most, and each wait for one takes one. An answer
    // needs none where who waits for it spins.
    EXPECT_GE(ends.ours("kicks"), 1u);
    EXPECT_LE(ends.ours("kicks"), 3 * rounds);
    EXPECT_LE(ends.theirs("kicks"), 3 * rounds);
}

TEST(Counters, CountBytesAndPagesOfALargeTransfer) {
    constexpr std::uint64_t size = 3'000'001;
    both_ends ends;
    {
        const auto open = connect_to(service::echo);
        expect_echo(open.socket.get(), pattern_text(size));
        const counters here = ours(), there = theirs();
        EXPECT_EQ(here["granted_pages"], 2 * 64u);
        EXPECT_EQ(there["mapped_pages"], 2 * 64u);
        const auto* our_end = here.find(open.port, service::echo);
        const auto* their_end = there.find(service::echo, open.port);
        ASSERT_TRUE(our_end && their_end);
        for (const auto* end : {our_end, their_end})
            for (const char* key : {"tx_ring", "rx_ring"})
                EXPECT_EQ(end->at(key), 256 << 10) << key;
    }
    ends.after_the_end();
    EXPECT_EQ(ends.ours("tx_bytes"), size);
    EXPECT_EQ(ends.ours("rx_bytes"), size);
    EXPECT_EQ(ends.ours("connected"), 1u);
    // A message is no longer than the ring; the bound below says that they are not crumbs.
    for (const char* key : {"tx_messages", "rx_messages"})
        for (const auto count : {ends.ours(key), ends.theirs(key)}) {
            EXPECT_GE(count, size / (256 << 10)) << key;
            EXPECT_LE(count, size / 64) << key;
        }
}

TEST(Counters, CountRefusals) {
    both_ends ends;
    auto socket = make_socket();
    EXPECT_EQ(try_connect(socket.get(), server->cid(), service::nobody), ECONNRESET);
    ends.after_the_end();
    EXPECT_EQ(ends.ours("refused"), 1u);
    EXPECT_EQ(ends.ours("connected"), 0u);
    EXPECT_EQ(ends.ours("tx_bytes"), 0u);
}

TEST(Counters, ShowAConnectionThatThePeerStillHolds) {
    both_ends ends;
    std::string state;
    // no_read closes half a second later at the soonest; on a busy machine it may take several attempts to
    // look before that.
    for (int attempt = 0; attempt < 20 && state != "closing"; ++attempt) {
        auto open = connect_to(service::no_read);
        EXPECT_TRUE(send_all(open.socket.get(), "x", 1));
        open.socket.close();
        const counters here = ours();
        if (const auto* closed = here.find(open.port, service::no_read))
            state = closed->at("state").as_string();
    }
    EXPECT_EQ(state, "closing");
    EXPECT_TRUE(eventually([] { return ours()["initiated"] == 0; }));
}

// -- ss ------------------------------------------------------------------------

struct socket_line {
    std::string state, local, peer;
};

std::vector<socket_line> parse_ss(const outcome& ss) {
    EXPECT_EQ(ss.status, 0) << ss.output;
    std::vector<socket_line> lines;
    std::istringstream text(ss.output);
    for (std::string line; std::getline(text, line);) {
        std::istringstream words(line);
        std::string type, receive_queue, send_queue;
        socket_line one;
        if (words >> type >> one.state >> receive_queue >> send_queue >> one.local >> one.peer)
            lines.push_back(one);
    }
    return lines;
}

constexpr const char* ss_command = "ss --vsock --all --numeric --no-header";

bool has(const std::vector<socket_line>& lines, const std::string& state, const std::string& local,
         const std::string& peer) {
    return std::any_of(lines.begin(), lines.end(), [&](const socket_line& one) {
        return one.state == state && one.local == local && one.peer == peer;
    });
}

std::string join(std::uint32_t cid, std::uint32_t port) {
    return std::to_string(cid) + ":" + std::to_string(port);
}

TEST(Ss, ShowsOurSocketsAtBothEnds) {
    const auto open = connect_to(service::echo);
    expect_echo(open.socket.get(), pattern_text(10));
    const auto here = shell(ss_command), there = server->shell(ss_command);
    const auto our_end = join(own_cid(), open.port), their_end = join(server->cid(), service::echo);
    // Who does not bind() before connect() has bound to any CID, with every transport.
    EXPECT_TRUE(has(parse_ss(here), "ESTAB", "*:" + std::to_string(open.port), their_end)) << here.output;
    EXPECT_TRUE(has(parse_ss(there), "ESTAB", their_end, our_end)) << there.output;
    for (const std::uint32_t port : {service::echo, service::source, service::count, service::no_accept})
        EXPECT_TRUE(has(parse_ss(there), "LISTEN", "*:" + std::to_string(port), "*:*")) << port << "\n"
                                                                                        << there.output;
}

TEST(Ss, DoesNotShowClosedOnes) {
    auto open = connect_to(service::echo);
    const auto our_end = join(own_cid(), open.port);
    const auto shown = [&] {
        return (shell(ss_command).output + server->shell(ss_command).output).find(our_end) !=
               std::string::npos;
    };
    EXPECT_TRUE(shown());
    open.socket.close();
    EXPECT_TRUE(eventually([&] { return !shown(); }));
}

// -- tracepoints ---------------------------------------------------------------

constexpr const char* tracefs = "/sys/kernel/tracing";

void write_file(const std::string& name, const std::string& text) {
    std::ofstream file(std::string(tracefs) + "/" + name);
    file << text;
    file.flush();
    ASSERT_TRUE(file) << name;
}

std::string read_file(const std::string& name) {
    std::ifstream file(name);
    return {std::istreambuf_iterator<char>(file), {}};
}

// The lines since the last look, each from the event's name on.
std::vector<std::string> read_trace() {
    // Not `trace`: between reading and emptying that, something may come.
    const descriptor pipe{::open((std::string(tracefs) + "/trace_pipe").c_str(), O_RDONLY | O_NONBLOCK)};
    EXPECT_GE(pipe.get(), 0);
    std::string all;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(pipe.get(), buffer, sizeof buffer)) > 0;)
        all.append(buffer, static_cast<std::size_t>(got));
    std::istringstream text(all);
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);)
        if (const auto at = line.find(": xvsock_"); at != std::string::npos)
            lines.push_back(line.substr(at + 2));
    return lines;
}

// That these patterns are found in this order.
void expect_order(const std::vector<std::string>& lines, const std::vector<std::string>& patterns) {
    auto at = lines.begin();
    for (const auto& pattern : patterns) {
        const std::regex wanted(pattern);
        const auto found =
            std::find_if(at, lines.end(), [&](const auto& line) { return std::regex_search(line, wanted); });
        if (found == lines.end()) {
            std::ostringstream all;
            std::copy(lines.begin(), lines.end(), std::ostream_iterator<std::string>(all, "\n"));
            ADD_FAILURE() << "no '" << pattern << "' where it should be in\n" << all.str();
            return;
        }
        at = found + 1;
    }
}

bool any_matches(const std::vector<std::string>& lines, const std::string& pattern) {
    const std::regex wanted(pattern);
    return std::any_of(lines.begin(), lines.end(),
                       [&](const auto& line) { return std::regex_search(line, wanted); });
}

// Waits until this has been traced, too.
std::vector<std::string> read_trace_until(const std::string& pattern) {
    std::vector<std::string> lines;
    EXPECT_TRUE(eventually([&] {
        const auto more = read_trace();
        lines.insert(lines.end(), more.begin(), more.end());
        return any_matches(lines, pattern);
    })) << "never traced: "
        << pattern;
    return lines;
}

class Tracepoints : public testing::Test {
protected:
    static void SetUpTestSuite() {
        ASSERT_EQ(::mount("none", tracefs, "tracefs", 0, nullptr), 0) << std::strerror(errno);
        write_file("events/xvsock/enable", "1");
        const auto there = server->shell("mount -t tracefs none /sys/kernel/tracing && "
                                         "echo 1 > /sys/kernel/tracing/events/xvsock/enable");
        ASSERT_EQ(there.status, 0) << there.output;
    }

    static void TearDownTestSuite() {
        write_file("events/xvsock/enable", "0");
        server->shell("echo 0 > /sys/kernel/tracing/events/xvsock/enable");
    }

    void SetUp() override { read_trace(); }

    const std::string peer_ = "peer=" + std::to_string(server->cid()) + " ";
};

// What trace-cmd and perf need to print states: the numbers of the names.
TEST_F(Tracepoints, HaveFormatsThatProgramsCanRead) {
    for (const char* event :
         {"xvsock_link", "xvsock_peer", "xvsock_conn", "xvsock_growth", "xvsock_control"}) {
        const auto format = read_file(std::string(tracefs) + "/events/xvsock/" + event + "/format");
        EXPECT_NE(format.find("print fmt"), std::string::npos) << event;
        EXPECT_EQ(format.find("XVSOCK_"), std::string::npos) << format;
    }
}

TEST_F(Tracepoints, OfAConnectionAtBothEnds) {
    auto open = connect_to(service::echo);
    expect_echo(open.socket.get(), pattern_text(10));
    ASSERT_EQ(::shutdown(open.socket.get(), SHUT_WR), 0);
    char byte = 0;
    EXPECT_EQ(receive_all(open.socket.get(), &byte, 1), 0u) << "the echo closes at the end of input";
    open.socket.close();
    const auto lines = read_trace_until("xvsock_conn: .*state=ended");

    std::smatch match;
    const auto first = std::find_if(lines.begin(), lines.end(),
                                    [](const auto& line) { return line.starts_with("xvsock_conn:"); });
    ASSERT_TRUE(first != lines.end() && std::regex_search(*first, match, std::regex(" id=([0-9]+) ")));
    const std::string id = match[1], ports = "src_port=" + std::to_string(open.port) + " dst_port=7000 ";
    const std::string us = "xvsock_conn: " + peer_ + "id=" + id + " initiator " + ports;
    const std::string cid = std::to_string(server->cid());
    expect_order(lines,
                 {us + "state=requested detail=0x0$", "xvsock_control: to " + cid + " REQUEST id=" + id + " ",
                  "xvsock_control: from " + cid + " RESPONSE id=" + id + " reason=0",
                  us + "state=established", us + "state=shutdown detail=0x11$",
                  us + "state=closed detail=0x0$", us + "state=shutdown detail=0x0$", us + "state=ended"});
    // The other end may be gone before this one is closed.
    expect_order(lines,
                 {us + "state=shutdown detail=0x11$",
                  "xvsock_control: from " + cid + " RESET id=" + id + " reason=0", us + "state=ended"});
    EXPECT_FALSE(any_matches(lines, "state=(refused|broken)"));

    const auto them = server->shell("sed -n 's/.*: \\(xvsock_\\)/\\1/p' /sys/kernel/tracing/trace | "
                                    "grep -E 'id=" +
                                    id + " (acceptor|reason)'");
    std::istringstream text(them.output);
    std::vector<std::string> their_lines;
    for (std::string line; std::getline(text, line);)
        their_lines.push_back(line);
    const std::string acceptor = "xvsock_conn: peer=" + variable("CID") + " id=" + id + " acceptor " + ports;
    expect_order(their_lines,
                 {"xvsock_control: from " + variable("CID") + " REQUEST id=" + id,
                  acceptor + "state=requested", acceptor + "state=established",
                  "xvsock_control: to " + variable("CID") + " RESPONSE id=" + id,
                  acceptor + "state=closed detail=0x0$", acceptor + "state=shutdown detail=0x0$",
                  acceptor + "state=ended", "xvsock_control: to " + variable("CID") + " RESET id=" + id});
}

TEST_F(Tracepoints, OfGrowingRings) {
    const std::string cid = std::to_string(server->cid());
    {
        const auto open = connect_to(service::count);
        send_to_count(open.socket.get(), 100'000);
        expect_order(read_trace(),
                     {"xvsock_growth: " + peer_ + "id=[0-9]+ initiator tx growth=asked order=18 large=0",
                      "xvsock_control: to " + cid + " GROW ",
                      "xvsock_control: from " + cid + " GROWN .* reason=0",
                      "xvsock_growth: .* initiator tx growth=ready order=18 large=0",
                      "xvsock_growth: .* initiator tx growth=ready order=18 large=1"});
    }
    const auto open = connect_to(service::source);
    receive_from_source(open.socket.get(), 100'000);
    expect_order(read_trace(),
                 {"xvsock_control: from " + cid + " WANT ",
                  "xvsock_growth: " + peer_ + "id=[0-9]+ initiator rx growth=making order=18 large=0",
                  "xvsock_growth: .* initiator rx growth=offered order=18 large=0",
                  "xvsock_control: to " + cid + " GROW ",
                  "xvsock_growth: .* initiator rx growth=(offered|ready) order=18 large=1"});
}

TEST_F(Tracepoints, OfARefusal) {
    auto socket = make_socket();
    ASSERT_EQ(try_connect(socket.get(), server->cid(), service::nobody), ECONNRESET);
    const std::string us =
        "xvsock_conn: " + peer_ + "id=[0-9]+ initiator .* dst_port=" + std::to_string(service::nobody) + " ";
    expect_order(read_trace_until("state=ended"),
                 {us + "state=requested", "xvsock_control: from .* RESET id=[0-9]+ reason=1",
                  us + "state=refused detail=0x68", us + "state=closed", us + "state=ended"});
}

// Last of those with a connection: the link goes, and comes back.
TEST_F(Tracepoints, OfALinkThatGoesAndComes) {
    const other_domain dom0("dom0");
    const auto open = connect_to(service::echo);
    expect_echo(open.socket.get(), pattern_text(10));
    read_trace();

    const std::string pair = variable("DOMID") + " " + variable("DOMID_" + server->name());
    const auto removed = dom0.shell("xvsock-peer remove " + pair);
    ASSERT_EQ(removed.status, 0) << removed.output;
    char byte = 0;
    EXPECT_LT(::recv(open.socket.get(), &byte, 1, 0), 0);
    const std::string us = "xvsock_conn: " + peer_ + "id=[0-9]+ initiator .*";
    const auto down = read_trace_until("state=ended");
    // Whichever end dom0 tells first ends the connection for both.
    EXPECT_TRUE(any_matches(down, "xvsock_peer: cid=" + std::to_string(server->cid()) + " down"));
    expect_order(down, {us + "state=broken detail=0x68$", us + "state=closed detail=0x1$",
                        us + "state=shutdown detail=0x40$", us + "state=ended"});
    EXPECT_TRUE(run({"xvsock", "stat", "--cid", std::to_string(server->cid())}).status == 1);

    const auto added = dom0.shell("xvsock-peer add " + pair);
    ASSERT_EQ(added.status, 0) << added.output;
    const std::string up = "xvsock_peer: cid=" + std::to_string(server->cid()) + " up";
    const auto lines = read_trace_until(up);
    const std::string link = "xvsock_link: peer=" + variable("DOMID_" + server->name()) + " half=";
    EXPECT_TRUE(any_matches(lines, link + "(frontend|backend) state=[24]")) << link;
    EXPECT_TRUE(eventually([] {
        const auto socket = make_socket();
        return try_connect(socket.get(), server->cid(), service::echo) == 0;
    }));
}

// -- captures ------------------------------------------------------------------

constexpr const char* device = "ip link add xvmon type vsockmon && ip link set xvmon up";

// -Z root: the image has no user for tcpdump to become.
std::string tcpdump(const std::string& file) {
    return "exec tcpdump -Z root -B 16384 --immediate-mode -U -i xvmon -w " + file;
}

TEST(Capture, ShowsPortsOperationsAndPayload) {
    const auto ready = shell(device);
    ASSERT_EQ(ready.status, 0) << ready.output;
    const std::string file = variable("RESULTS") + "/capture.pcap";
    child capture({"sh", "-c", tcpdump(file)});
    ASSERT_TRUE(capture.says("listening on xvmon"));
    const auto there = server->shell(std::string(device) + " && { (" + tcpdump("/capture.pcap") +
                                     ") > /tcpdump.log 2>&1 & echo $! > /tcpdump.pid; } && "
                                     "until grep -q 'listening on xvmon' /tcpdump.log; do kill -0 $(cat "
                                     "/tcpdump.pid) || exit 1; sleep 0.2; done");
    ASSERT_EQ(there.status, 0) << there.output;

    const std::string data = pattern_text(70'000);
    std::uint32_t port = 0;
    {
        const auto open = connect_to(service::echo);
        port = open.port;
        expect_echo(open.socket.get(), data);
        char byte = 0;
        EXPECT_EQ(::shutdown(open.socket.get(), SHUT_WR), 0);
        EXPECT_EQ(receive_all(open.socket.get(), &byte, 1), 0u);
    }
    std::this_thread::sleep_for(500ms); // both ends close by themselves; then the packets are with tcpdump
    capture.signal(SIGTERM);
    EXPECT_EQ(capture.wait().status, 0);

    const flow_name to{.source_cid = own_cid(),
                       .source_port = port,
                       .target_cid = server->cid(),
                       .target_port = service::echo};
    const flow_name from{.source_cid = to.target_cid,
                         .source_port = to.target_port,
                         .target_cid = to.source_cid,
                         .target_port = to.source_port};
    const auto flows = read_capture(file);
    ASSERT_TRUE(flows.contains(to) && flows.contains(from));
    EXPECT_TRUE(flows.at(to).payload == data)
        << flows.at(to).payload.size() << " bytes captured, or other ones";
    EXPECT_TRUE(flows.at(from).payload == data) << flows.at(from).payload.size() << " bytes captured";
    EXPECT_EQ(flows.at(to).story(), "CONNECT PAYLOAD DISCONNECT");
    EXPECT_EQ(flows.at(from).story(), "CONNECT PAYLOAD DISCONNECT");
    EXPECT_EQ(flows.size(), 2u) << "nothing else has moved";

    // The acceptor has seen the same, but was gone before the initiator's end.
    const auto seen =
        server->shell("kill -TERM $(cat /tcpdump.pid); sleep 0.5; vsock-observe-test --flows /capture.pcap");
    EXPECT_EQ(seen.status, 0) << seen.output;
    flow forth = flows.at(to), back = flows.at(from);
    forth.operations = {1, 4};
    back.operations = {1, 4, 2};
    EXPECT_NE(seen.output.find(describe(to, forth)), std::string::npos) << seen.output;
    EXPECT_NE(seen.output.find(describe(from, back)), std::string::npos) << seen.output;

    // And so does a person, with the program's own eyes.
    const auto shown = run({"tcpdump", "-Z", "root", "-n", "-r", file});
    const std::regex line(std::to_string(to.source_cid) + "[.:]" + std::to_string(port) + " > " +
                          std::to_string(to.target_cid) + "[.:]7000");
    EXPECT_TRUE(std::regex_search(shown.output, line)) << shown.output.substr(0, 2000);
}

TEST(Capture, EndsWithTheDevice) {
    for (const auto& removed : {shell("ip link del xvmon"), server->shell("ip link del xvmon")})
        EXPECT_EQ(removed.status, 0) << removed.output;
    const auto open = connect_to(service::echo);
    expect_echo(open.socket.get(), pattern_text(10'000));
}

// -- the end -------------------------------------------------------------------

// Last: there is no module any more.
TEST(Unloaded, StatSaysIt) {
    EXPECT_TRUE(eventually([] { return run({"rmmod", "xen_vsock"}).status == 0; })) << "something holds it";
    const auto stat = run({"xvsock", "stat"});
    EXPECT_EQ(stat.status, 1);
    EXPECT_NE(stat.output.find("modprobe xen_vsock"), std::string::npos) << stat.output;
}

} // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    try {
        if (argc == 3 && std::string(argv[1]) == "--flows") {
            for (const auto& [name, what] : read_capture(argv[2]))
                std::printf("%s\n", describe(name, what).c_str());
            return 0;
        }
        if (argc == 2 && std::string(argv[1]) == "--serve")
            serve_commands();
        if (argc != 2) {
            std::fprintf(stderr, "usage: vsock-observe-test SERVER | --serve | --flows FILE\n");
            return 2;
        }
        server = std::make_unique<other_domain>(argv[1]);
        return run_tests();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "vsock-observe-test: %s\n", error.what());
        return 1;
    }
}
