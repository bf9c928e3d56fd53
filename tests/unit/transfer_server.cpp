// SPDX-License-Identifier: MIT
// `xvsock recv` with several senders, over Unix sockets.
#include "transfer/server.hpp"
#include "transfer_folder.hpp"

#include <gtest/gtest.h>

#include <future>

#include <sys/socket.h>
#include <unistd.h>

namespace xvsock::transfer {
namespace {

using namespace std::chrono_literals;

class transfer_server : public testing::Test {
protected:
    void start(bool once, unsigned max = 16) {
        server_options options{
            .files = {.folder = there.fd()},
            .timeout = 5s,
            .once = once,
            .max = max,
            .tell = [this](const std::string&, const outcome& one) { told.push_back(one); },
            .complain = [this](const std::string&, const std::string& what) { complaints.push_back(what); }};
        all.emplace(context, sockets::find_listener(address), options);
        running = std::async(std::launch::async, [this] { return all->run(); });
    }

    /// As a signal does.
    bool stop() {
        ::kill(::getpid(), SIGTERM);
        return running.get();
    }

    sockets::blocking_socket connect() {
        boost::asio::io_context own(1);
        return sockets::blocking_socket(sockets::connect(own, sockets::find_peer(address), 5s));
    }

    std::string send(const std::string& name) {
        const auto socket = connect();
        channel peer(socket.fd(), 5s);
        peer.greet();
        return sender(peer, nullptr).send(here / name).problem;
    }

    const std::string address = "unix:@xvsock-unit-server-" + std::to_string(::getpid());
    test_folder here, there;
    boost::asio::io_context context{1};
    std::optional<server> all;
    std::future<bool> running;
    std::vector<outcome> told;
    std::vector<std::string> complaints;
};

TEST_F(transfer_server, serves_one_after_the_other_until_a_signal) {
    here.put("f", "text");
    here.put("g", "more");
    start(false);
    EXPECT_EQ(send("f"), "");
    EXPECT_EQ(send("g"), "");
    EXPECT_TRUE(stop());
    all.reset();
    EXPECT_EQ(there.get("f"), "text");
    EXPECT_EQ(there.get("g"), "more");
    EXPECT_EQ(told.size(), 2U);
    EXPECT_TRUE(complaints.empty());
}

TEST_F(transfer_server, once_is_one_sender_and_no_ping) {
    here.put("f", "text");
    start(true);
    { const auto ping = connect(); }
    EXPECT_EQ(send("f"), "");
    EXPECT_TRUE(running.get());
    ASSERT_EQ(complaints.size(), 1U);
    EXPECT_TRUE(complaints[0].ends_with(" before a word was said")) << complaints[0];
}

TEST_F(transfer_server, once_says_whether_all_went_well) {
    here.put("f", "text");
    there.put("f", "old");
    start(true);
    EXPECT_NE(send("f"), "");
    EXPECT_FALSE(running.get());
}

TEST_F(transfer_server, serves_several_at_a_time_but_not_too_many) {
    here.put("f", "text");
    start(false, 2);
    const auto first = connect();
    channel one(first.fd(), 5s);
    one.greet(); // and nothing more
    EXPECT_EQ(send("f"), "") << "it does not wait for the first";
    const auto second = connect(), third = connect();
    channel two(second.fd(), 5s), three(third.fd(), 5s);
    two.greet();
    three.greet();
    EXPECT_THROW(three.expect(), peer_failed);
    EXPECT_TRUE(stop());
    all.reset(); // though two of them are still connected
    EXPECT_EQ(complaints.front(), "is one sender too many");
}

TEST_F(transfer_server, tells_who_breaks_the_rules) {
    start(false);
    {
        const auto socket = connect();
        channel peer(socket.fd(), 5s);
        peer.greet();
        const unsigned char huge[] = {4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
        ASSERT_EQ(::send(socket.fd(), huge, sizeof huge, 0), ssize_t(sizeof huge));
        try {
            peer.expect();
            FAIL();
        } catch (const peer_failed& error) {
            EXPECT_STREQ(error.what(), "a message of kind 4 with 4294967295 bytes");
        }
    }
    EXPECT_TRUE(stop());
    all.reset();
    EXPECT_EQ(complaints.front(), "a message of kind 4 with 4294967295 bytes");
}

} // namespace
} // namespace xvsock::transfer
