// SPDX-License-Identifier: MIT
// xvsockd as a service: what it tells its manager, and what it makes of a domain or a xenstored that behaves
// badly.
#include "daemon_fixture.hpp"

#include <atomic>
#include <csignal>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

extern "C" {
#include <xenstore.h>
}

namespace xvsock::xenstored_test {
namespace {

using service = daemon_fixture;

class notify_socket {
public:
    explicit notify_socket(const std::string& path)
        : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        path.copy(name.sun_path, sizeof name.sun_path - 1);
        EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    }
    ~notify_socket() { close(socket_); }
    notify_socket(const notify_socket&) = delete;
    notify_socket& operator=(const notify_socket&) = delete;

    /// Whether it is told this line, from now on.
    bool hears(const std::string& line, unsigned seconds = 60) {
        return comes_true(
            [&] {
                char text[1024];
                const ssize_t length = recv(socket_, text, sizeof text, 0);
                return length > 0 &&
                       ("\n" + std::string(text, std::size_t(length)) + "\n").find("\n" + line) !=
                           std::string::npos;
            },
            seconds);
    }

private:
    int socket_;
};

/// Writes into the halves that are its own as fast as it can.
class busy_guest {
public:
    busy_guest(unsigned id, std::vector<std::string> halves)
        : writer_([this, id, halves = std::move(halves)] { write(id, halves); }) {}
    ~busy_guest() {
        done_ = true;
        writer_.join();
    }
    busy_guest(const busy_guest&) = delete;
    busy_guest& operator=(const busy_guest&) = delete;

private:
    void write(unsigned id, const std::vector<std::string>& halves) const {
        xs_handle* const store = xs_open(0);
        for (unsigned i = 0; !done_; ++i)
            for (const std::string& half : halves) {
                const std::string rubbish = fmt::format("{}/rubbish{}", half, i % 5);
                unsigned length = 0;
                if (done_ || !xs_is_domain_introduced(store, id))
                    continue;
                void* const is_there = xs_read(store, XBT_NULL, (half + "/state").c_str(), &length);
                std::free(is_there);
                if (!is_there)
                    continue;
                xs_write(store, XBT_NULL, (half + "/state").c_str(), i % 2 ? "4" : "1", 1);
                xs_write(store, XBT_NULL, rubbish.c_str(), "x", 1);
                xs_rm(store, XBT_NULL, rubbish.c_str());
            }
        xs_close(store);
    }

    std::atomic<bool> done_ = false;
    std::thread writer_;
};

TEST_F(service, tells_its_manager) {
    policy("allow * <-> *\n");
    start(1, "a", 1);
    const std::string path = host_.folder() + "/notify";
    notify_socket manager(path);
    daemon_process daemon(host_.folder(), {}, {{"NOTIFY_SOCKET", path}, {"WATCHDOG_USEC", "600000"}});
    EXPECT_TRUE(manager.hears("READY=1\n"));
    EXPECT_TRUE(host_.exists(front(1, 0))) << "when it says that it is ready, the links are there";
    EXPECT_TRUE(manager.hears("WATCHDOG=1\n"));
    EXPECT_TRUE(manager.hears("WATCHDOG=1\n"));
    daemon.send(SIGHUP);
    EXPECT_TRUE(manager.hears("MONOTONIC_USEC="));
    EXPECT_TRUE(manager.hears("READY=1\n"));
    EXPECT_TRUE(manager.hears("WATCHDOG=1\n"));
    // Without answers from xenstored it does not claim to be alive.
    kill(host_.xenstored(), SIGSTOP);
    manager.hears("WATCHDOG=1\n", 1); // of before
    manager.hears("WATCHDOG=1\n", 1);
    EXPECT_FALSE(manager.hears("WATCHDOG=1\n", 1));
    kill(host_.xenstored(), SIGCONT);
    EXPECT_TRUE(manager.hears("WATCHDOG=1\n"));
    daemon.send(SIGTERM);
    EXPECT_TRUE(manager.hears("STOPPING=1\n"));
    EXPECT_EQ(daemon.wait(), 0);
}

TEST_F(service, is_ready_when_all_links_are_there_and_not_before) {
    policy("allow * <-> *\n");
    for (unsigned id = 1; id <= 12; ++id)
        start(id, fmt::format("g{}", id), id);
    const std::string path = host_.folder() + "/notify";
    notify_socket manager(path);
    daemon_process daemon(host_.folder(), {}, {{"NOTIFY_SOCKET", path}});
    std::atomic<bool> done = false;
    std::thread impatient([&] { // and so each pass is interrupted
        while (!done) {
            daemon.send(SIGHUP);
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    });
    EXPECT_TRUE(manager.hears("READY=1\n"));
    unsigned links = 0;
    for (unsigned a = 0; a < 12; ++a)
        for (unsigned b = a + 1; b <= 12; ++b)
            links += host_.exists(front(b, a) + "/state");
    done = true;
    impatient.join();
    EXPECT_EQ(links, 78U);
    EXPECT_EQ(wrong(), "") << daemon.output();
}

TEST_F(service, ends_as_told_while_xenstored_does_not_answer) {
    policy("");
    daemon_process daemon(host_.folder());
    ASSERT_TRUE(daemon.says("event=ready"));
    kill(host_.xenstored(), SIGSTOP);
    daemon.send(SIGUSR1);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    daemon.send(SIGTERM);
    EXPECT_EQ(daemon.wait(), 0);
    kill(host_.xenstored(), SIGCONT);
}

TEST_F(service, ends_when_xenstored_has_gone) {
    policy("");
    daemon_process daemon(host_.folder(), {}, {{"WATCHDOG_USEC", "600000"}});
    ASSERT_TRUE(daemon.says("event=ready"));
    kill(host_.xenstored(), SIGKILL);
    EXPECT_EQ(daemon.wait(), 1);
    EXPECT_NE(daemon.output().find("event=ended why=\"cannot "), std::string::npos) << daemon.output();
}

TEST_F(service, does_not_start_without_a_policy_or_xenstored) {
    daemon_process without_policy(host_.folder());
    EXPECT_EQ(without_policy.wait(), 3);
    EXPECT_TRUE(without_policy.says("/policy.conf: No such file or directory")) << without_policy.output();
    policy("");
    daemon_process without_store(host_.folder(), {}, {{"XENSTORED_PATH", host_.folder() + "/nothing"}});
    EXPECT_EQ(without_store.wait(), 1);
    EXPECT_TRUE(without_store.says("event=ended")) << without_store.output();
}

// A guest can write what it likes into the halves that it owns, as fast as it likes, and can remove them.
TEST_F(service, a_domain_that_keeps_writing_holds_nobody_up) {
    policy("allow * <-> *\n");
    for (unsigned id = 1; id <= 6; ++id)
        start(id, fmt::format("g{}", id), id);
    daemon_process daemon(host_.folder());
    ASSERT_EQ(wrong(), "") << daemon.output();

    std::vector<std::string> halves;
    for (unsigned peer = 0; peer < 6; ++peer)
        halves.push_back(front(6, peer));
    std::optional<busy_guest> guest(std::in_place, 6, halves);
    const auto begin = std::chrono::steady_clock::now();
    policy("allow * <-> * port 22\n");
    daemon.send(SIGHUP);
    EXPECT_TRUE(comes_true([&] {
        for (unsigned a = 0; a < 6; ++a)
            for (unsigned b = a + 1; b <= 6; ++b)
                if (host_.read(front(b, a) + "/accept") != "22")
                    return false;
        return true;
    })) << daemon.output();
    const auto took = std::chrono::steady_clock::now() - begin;
    EXPECT_LT(took, std::chrono::seconds(20));
    policy("deny g6 <-> *\nallow * <-> *\n");
    daemon.send(SIGHUP);
    EXPECT_TRUE(comes_true([&] {
        for (unsigned peer = 0; peer < 6; ++peer)
            if (host_.exists(back(6, peer)) || host_.exists(front(6, peer) + "/backend"))
                return false;
        return host_.read(front(5, 0) + "/accept") == "any";
    })) << daemon.output();
    guest.reset();
    for (unsigned peer = 0; peer < 6; ++peer) // what the simulated guest wrote as dom0, after the removal
        host_.remove(front(6, peer));
    daemon.send(SIGUSR1);
}

TEST_F(service, a_domain_that_keeps_writing_does_not_keep_xvsock_peer_from_its_work) {
    start(1, "a", 1);
    start(2, "b", 2);
    ASSERT_EQ(xvsock_peer("add a b"), 0) << said_;
    const busy_guest guest(2, {front(2, 1)});
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(xvsock_peer("list"), 0) << said_;
        EXPECT_NE(said_.find("hand"), std::string::npos) << said_;
        EXPECT_EQ(xvsock_peer("add a b"), 0) << said_;
    }
    host_.write(front(2, 1) + "/backend-id", "5");
    EXPECT_EQ(xvsock_peer("add a b"), 0) << said_;
    EXPECT_EQ(host_.read(front(2, 1) + "/backend-id"), "1");
    EXPECT_EQ(xvsock_peer("remove a b"), 0) << said_;
    EXPECT_FALSE(host_.exists(back(2, 1)) || host_.exists(front(2, 1) + "/backend"));
}

TEST_F(service, a_half_that_is_removed_comes_back_with_the_next_look) {
    policy("allow a <-> b\n");
    start(1, "a", 1);
    start(2, "b", 2);
    daemon_process daemon(host_.folder(), {"--resync", "1"});
    ASSERT_EQ(wrong(), "") << daemon.output();
    for (const std::string& half : {front(2, 1), back(2, 1)}) {
        host_.remove(half);
        EXPECT_EQ(wrong(), "") << daemon.output();
    }
    host_.write(front(2, 1) + "/accept", "none"); // as only dom0 could
    host_.write(front(2, 1) + "/max-memory", "1");
    EXPECT_EQ(wrong(), "") << daemon.output();
    EXPECT_TRUE(daemon.says("event=link-changed")) << daemon.output();
}

/// A number in status.json.
std::uint64_t status_number(const std::string& folder, const std::string& key) {
    std::ifstream in(folder + "/status.json");
    std::string text;
    std::getline(in, text);
    const auto at = text.find("\"" + key + "\":");
    return at == std::string::npos ? 0 : std::stoull(text.substr(at + key.size() + 3));
}

// What a link costs, from the start of the domains one after the other: no more among sixteen than among
// four. XVSOCK_SCALE names a file that takes the figures, as docs/architecture.md has them.
TEST_F(service, calls_are_linear_in_the_links) {
    const char* const file = std::getenv("XVSOCK_SCALE");
    std::string table = "{\"mode\": \"native\", \"against\": \"a real xenstored\", \"rows\": [";
    std::vector<double> calls_each;
    for (const unsigned domains : {4, 8, 16}) {
        policy("allow * <-> *\n");
        daemon_process daemon(host_.folder(), {"--resync", "86400"});
        ASSERT_TRUE(daemon.says("event=ready"));
        const unsigned links = domains * (domains + 1) / 2; // dom0 is another
        const auto calls_before = status_number(host_.folder(), "xenstore-calls");
        const auto begin = std::chrono::steady_clock::now();
        for (unsigned id = 1; id <= domains; ++id) {
            start(id, fmt::format("g{}", id), id);
            ASSERT_TRUE(daemon.says("event=link-made", id * (id + 1) / 2)) << daemon.output();
        }
        const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
        ASSERT_EQ(wrong(), "") << daemon.output();
        ASSERT_TRUE(comes_true([&] { // the last look at the last domain's name is over
            const auto seen = status_number(host_.folder(), "xenstore-calls");
            std::this_thread::sleep_for(std::chrono::milliseconds(300));
            return seen > calls_before && seen == status_number(host_.folder(), "xenstore-calls");
        }));
        const auto calls = status_number(host_.folder(), "xenstore-calls") - calls_before;
        calls_each.push_back(double(calls) / links);
        fmt::print("{} domains, {} links: {} calls, {:.1f} for each link; {:.2f} ms for each\n", domains,
                   links, calls, calls_each.back(), took.count() / links);
        table += fmt::format("{}{{\"domains\": {}, \"links\": {}, \"calls\": {}, \"calls-per-link\": {:.1f}, "
                             "\"ms-per-link\": {:.2f}}}",
                             calls_each.size() > 1 ? ", " : "", domains, links, calls, calls_each.back(),
                             took.count() / links);
        while (!domains_.empty())
            destroy(domains_.begin()->first);
        ASSERT_EQ(wrong(), "") << daemon.output();
    }
    EXPECT_LE(calls_each[1], 1.05 * calls_each[0]);
    EXPECT_LE(calls_each[2], 1.05 * calls_each[1]);
    if (file)
        std::ofstream(file) << table << "]}\n";
}

TEST_F(service, sixteen_domains_and_all_pairs) {
    policy("allow * <-> *\n");
    daemon_process daemon(host_.folder());
    ASSERT_TRUE(daemon.says("event=ready"));
    const auto begin = std::chrono::steady_clock::now();
    for (unsigned id = 1; id <= 16; ++id)
        start(id, fmt::format("g{}", id), id);
    ASSERT_TRUE(daemon.says("event=link-made", 136, 200));
    const auto took = std::chrono::steady_clock::now() - begin;
    fmt::print("136 links took {} ms\n", std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
    EXPECT_EQ(wrong(), "");
    EXPECT_EQ(daemon.output().find("event=link-failed"), std::string::npos) << daemon.output();
}

TEST_F(service, shows_what_it_knows) {
    policy("allow a <-> b\n");
    start(1, "a", 1);
    start(2, "b", 2);
    start(3, "clone", 2);
    daemon_process daemon(host_.folder());
    ASSERT_EQ(wrong(), "") << daemon.output();
    std::string text;
    EXPECT_TRUE(comes_true([&] {
        std::ifstream in(host_.folder() + "/status.json");
        return std::getline(in, text) && text.find("\"state\":\"in-order\"") != std::string::npos;
    })) << text;
    EXPECT_NE(text.find("domain 2 runs with the same UUID"), std::string::npos) << text;
}

} // namespace
} // namespace xvsock::xenstored_test
