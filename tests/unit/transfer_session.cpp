// SPDX-License-Identifier: MIT
// Senders and receivers, each with the other and with a peer that a test plays, over a Unix socket.
#include "transfer/receiver.hpp"
#include "transfer_folder.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <future>
#include <memory>
#include <thread>

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace xvsock::transfer {
namespace {

using namespace std::chrono_literals;

TEST(resume, goes_on_behind_what_is_the_same) {
    digest same{}, other{};
    other[0] = 1;
    const auto sum_of = [&](std::uint64_t size) -> std::optional<digest> {
        return size <= 100 ? std::optional(same) : std::nullopt;
    };
    EXPECT_EQ(resume_offset({.size = 60, .sum = same}, 100, sum_of), 60U);
    EXPECT_EQ(resume_offset({.size = 100, .sum = same}, 100, sum_of), 100U);
    EXPECT_EQ(resume_offset({.size = 60, .sum = other}, 100, sum_of), 0U) << "another beginning";
    EXPECT_EQ(resume_offset({.size = 101, .sum = same}, 100, sum_of), 0U) << "more than there is";
    EXPECT_EQ(resume_offset({.size = 150, .sum = same}, 200, sum_of), 0U) << "the file has become shorter";
    EXPECT_EQ(resume_offset({.size = 0, .sum = same}, 100, sum_of), 0U);
}

class transfer_session : public testing::Test {
protected:
    void SetUp() override { ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0); }
    void TearDown() override {
        for (const int fd : ends)
            ::close(fd);
    }

    /// Runs a receiver at ends[1] until the sender has gone.
    void receive(bool may_replace = false) {
        receiving = std::async(std::launch::async, [this, may_replace] {
            channel peer(ends[1], 5s);
            peer.greet();
            receiver all(peer, {.folder = there.fd(), .may_replace = may_replace},
                         [this](const outcome& one) { received.push_back(one); });
            const bool stored = all.run();
            ::shutdown(ends[1], SHUT_RDWR);
            return stored;
        });
    }

    /// Sends from `here`, and ends the connection.
    std::vector<outcome> send(const std::vector<std::string>& names) {
        std::vector<outcome> results;
        channel peer(ends[0], 5s);
        peer.greet();
        sender all(peer, nullptr);
        for (const auto& name : names)
            results.push_back(all.send(here / name));
        ::shutdown(ends[0], SHUT_WR);
        return results;
    }

    /// What the receiver says to a sender that a test plays, and that ends then.
    std::string hear_failure(channel& peer) {
        const std::unique_ptr<int, void (*)(int*)> ending(ends,
                                                          [](int* end) { ::shutdown(*end, SHUT_RDWR); });
        try {
            while (peer.receive())
                ;
            return "no failure";
        } catch (const peer_failed& error) {
            return error.what();
        }
    }

    void offer(channel& peer, const std::string& name, std::uint64_t size, std::uint32_t mode = 0644) {
        peer.send(message_kind::offer, make_offer({.size = size, .mode = mode, .name = name}));
    }

    /// A sender that a test plays has offered "f", and the receiver waits for data.
    void begin(channel& peer, std::uint64_t size) {
        peer.greet();
        offer(peer, "f", size);
        ASSERT_EQ(peer.expect().kind, message_kind::have);
        peer.send(message_kind::start, make_start(0));
    }

    void data(channel& peer, const std::string& text) {
        peer.send(message_kind::data, {reinterpret_cast<const unsigned char*>(text.data()), text.size()});
    }

    void end(channel& peer, const std::string& text) {
        checksum sum;
        sum.update(text.data(), text.size());
        peer.send(message_kind::end, make_digest(sum.value()));
    }

    int ends[2] = {-1, -1}; ///< sender, receiver
    test_folder here, there;
    std::future<bool> receiving;
    std::vector<outcome> received;
};

TEST_F(transfer_session, files_of_all_sizes) {
    std::vector<std::string> names;
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, max_body - 1, max_body, max_body + 1, std::size_t{3'000'000}}) {
        names.push_back("f" + std::to_string(size));
        here.put(names.back(), pattern(size));
    }
    std::filesystem::permissions(here / names[1], std::filesystem::perms(04750));
    receive();
    for (const auto& one : send(names))
        EXPECT_EQ(one.problem, "") << one.name;
    EXPECT_TRUE(receiving.get());
    ASSERT_EQ(received.size(), names.size());
    for (const auto& name : names) {
        EXPECT_EQ(there.get(name), here.get(name)) << name;
        EXPECT_FALSE(there.has(name + ".part"));
    }
    EXPECT_EQ(there.mode(names[1]), 0750U);
    EXPECT_EQ(received[5].size, 3'000'000U);
    EXPECT_EQ(received[5].resumed, 0U);
}

TEST_F(transfer_session, goes_on_from_what_is_there) {
    here.put("f", pattern(1'000'000));
    there.put("f.part", pattern(600'000));
    receive();
    const auto sent = send({"f"});
    EXPECT_TRUE(receiving.get());
    EXPECT_EQ(sent[0].resumed, 600'000U);
    EXPECT_EQ(received[0].resumed, 600'000U);
    EXPECT_EQ(there.get("f"), here.get("f"));
}

TEST_F(transfer_session, begins_anew_where_something_else_is_there) {
    for (const std::string name : {"other", "longer", "complete"})
        here.put(name, pattern(500'000));
    there.put("other.part", pattern(300'000, 99'999));
    there.put("longer.part", pattern(700'000));
    there.put("complete.part", pattern(500'000));
    receive();
    const auto sent = send({"other", "longer", "complete"});
    EXPECT_TRUE(receiving.get());
    EXPECT_EQ(sent[0].resumed, 0U);
    EXPECT_EQ(sent[1].resumed, 0U);
    EXPECT_EQ(sent[2].resumed, 500'000U) << "nothing is left to send";
    for (const std::string name : {"other", "longer", "complete"})
        EXPECT_EQ(there.get(name), here.get(name)) << name;
}

TEST_F(transfer_session, a_file_that_is_refused_does_not_stop_the_others) {
    here.put("old", "new");
    here.put("f", "text");
    there.put("old", "old");
    receive();
    const auto sent = send({"old", "missing", "f"});
    EXPECT_FALSE(receiving.get());
    EXPECT_EQ(sent[0].problem, "refused: it exists already; recv --force replaces");
    EXPECT_EQ(sent[1].problem, "No such file or directory");
    EXPECT_EQ(sent[2].problem, "");
    EXPECT_EQ(there.get("old"), "old");
    EXPECT_EQ(there.get("f"), "text");
    ASSERT_EQ(received.size(), 2U);
    EXPECT_EQ(received[0].problem, "it exists already; recv --force replaces");
}

TEST_F(transfer_session, replaces_where_it_may) {
    here.put("f", "new");
    there.put("f", "old");
    receive(true);
    EXPECT_EQ(send({"f"})[0].problem, "");
    EXPECT_TRUE(receiving.get());
    EXPECT_EQ(there.get("f"), "new");
}

TEST_F(transfer_session, only_regular_files_are_sent) {
    std::filesystem::create_directory(here / "folder");
    receive();
    const auto sent =
        send({"folder", "../" + std::filesystem::path(here / "").parent_path().filename().string()});
    EXPECT_EQ(sent[0].problem, "it is no regular file");
    EXPECT_EQ(sent[1].problem, "it is no regular file");
    EXPECT_FALSE(receiving.get()) << "nothing was stored";
}

TEST_F(transfer_session, a_full_disk_is_said_at_both_ends_and_loses_nothing) {
    here.put("f", pattern(3'000'000));
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit small{.rlim_cur = 1'000'000, .rlim_max = before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small); // the nearest to a full disk
    receive();
    std::string heard;
    try {
        send({"f"});
    } catch (const peer_failed& error) {
        heard = error.what();
    }
    EXPECT_FALSE(receiving.get());
    ::setrlimit(RLIMIT_FSIZE, &before);
    EXPECT_EQ(heard, "cannot write f.part: File too large; 1000000 bytes are kept in f.part");
    ASSERT_EQ(received.size(), 1U);
    EXPECT_EQ(received[0].problem, heard);
    EXPECT_EQ(there.get("f.part"), pattern(1'000'000));
}

TEST_F(transfer_session, a_sender_that_dies_leaves_what_it_has_sent) {
    receive();
    channel peer(ends[0], 5s);
    begin(peer, 100'000);
    data(peer, pattern(40'000));
    ::shutdown(ends[0], SHUT_RDWR);
    EXPECT_FALSE(receiving.get());
    EXPECT_EQ(received[0].problem,
              "the connection has ended after 40000 of 100000 bytes; 40000 bytes are kept in f.part");
    EXPECT_EQ(there.get("f.part"), pattern(40'000));
}

TEST_F(transfer_session, a_sender_that_falls_silent_is_given_up) {
    receiving = std::async(std::launch::async, [this] {
        channel peer(ends[1], 200ms);
        peer.greet();
        receiver all(peer, {.folder = there.fd()}, [this](const outcome& one) { received.push_back(one); });
        return all.run();
    });
    channel peer(ends[0], 5s);
    begin(peer, 100'000);
    data(peer, pattern(40'000));
    EXPECT_FALSE(receiving.get());
    EXPECT_EQ(received[0].problem.find("nothing has come for 0 s after 40000 of 100000 bytes"), 0U);
}

TEST_F(transfer_session, a_receiver_that_dies_is_said) {
    here.put("f", pattern(5'000'000));
    std::thread dying([&] {
        channel peer(ends[1], 5s);
        peer.greet();
        peer.expect();
        peer.send(message_kind::have, make_have({.size = 0, .sum = checksum().value()}));
        peer.expect();
        peer.expect();
        ::shutdown(ends[1], SHUT_RDWR);
    });
    EXPECT_THROW(send({"f"}), connection_lost);
    dying.join();
}

TEST_F(transfer_session, a_receiver_that_confirms_something_else_is_not_believed) {
    here.put("f", "text");
    std::thread lying([&] {
        channel peer(ends[1], 5s);
        peer.greet();
        peer.expect();
        peer.send(message_kind::have, make_have({.size = 0, .sum = checksum().value()}));
        while (peer.expect().kind != message_kind::end)
            ;
        peer.send(message_kind::done, make_digest(checksum().value()));
    });
    EXPECT_THROW(send({"f"}), protocol_error);
    lying.join();
}

/// A receiver that a test plays changes the sender's file before it lets it begin.
class changing_file : public transfer_session {
protected:
    std::string send_while(const std::function<void()>& change) {
        here.put("f", pattern(400'000));
        std::string heard;
        std::thread other([&] {
            channel peer(ends[1], 5s);
            peer.greet();
            peer.expect();
            change();
            peer.send(message_kind::have, make_have({.size = 0, .sum = checksum().value()}));
            for (;;) {
                const auto got = peer.expect();
                if (got.kind == message_kind::start || got.kind == message_kind::data)
                    continue;
                heard = got.kind == message_kind::refuse ? parse_text(got.body) : "something else";
                return;
            }
        });
        const auto sent = send({"f"});
        other.join();
        EXPECT_EQ(heard, sent[0].problem) << "both ends say the same";
        return sent[0].problem;
    }
};

TEST_F(changing_file, that_has_become_shorter) {
    EXPECT_EQ(send_while([&] { std::filesystem::resize_file(here / "f", 100'000); }),
              "it has become shorter while it was sent");
}

TEST_F(changing_file, that_has_become_longer) {
    EXPECT_EQ(send_while([&] { std::filesystem::resize_file(here / "f", 500'000); }),
              "it has changed while it was sent");
}

TEST_F(changing_file, that_was_written_to) {
    EXPECT_EQ(send_while([&] {
                  std::this_thread::sleep_for(50ms); // what tells is the time of the change
                  here.put("f", pattern(400'000, 5));
              }),
              "it has changed while it was sent");
}

TEST_F(transfer_session, a_file_that_is_given_up_does_not_stop_the_others) {
    receive();
    channel peer(ends[0], 5s);
    begin(peer, 100);
    data(peer, "some");
    peer.send(message_kind::refuse, make_text("it has changed"));
    offer(peer, "g", 2);
    ASSERT_EQ(peer.expect().kind, message_kind::have);
    peer.send(message_kind::start, make_start(0));
    data(peer, "ok");
    end(peer, "ok");
    EXPECT_EQ(peer.expect().kind, message_kind::done);
    ::shutdown(ends[0], SHUT_RDWR);
    EXPECT_FALSE(receiving.get());
    EXPECT_EQ(there.get("f.part"), "some");
    EXPECT_EQ(there.get("g"), "ok");
    EXPECT_EQ(received[0].problem, "the sender gives it up: it has changed; 4 bytes are kept in f.part");
}

// ---- Hostile senders

TEST_F(transfer_session, names_that_lead_elsewhere_are_refused) {
    receive();
    channel peer(ends[0], 5s);
    peer.greet();
    for (const char* name : {"../f", "/etc/passwd", "..", ".bashrc", "a\x1b[2J", "a.part"}) {
        offer(peer, name, 1);
        EXPECT_EQ(peer.expect().kind, message_kind::refuse) << name;
    }
    ::shutdown(ends[0], SHUT_RDWR);
    EXPECT_FALSE(receiving.get());
    EXPECT_TRUE(std::filesystem::is_empty(there / ""));
    for (const auto& one : received)
        EXPECT_EQ(one.name.find('\x1b'), std::string::npos) << "a terminal would be told something";
}

TEST_F(transfer_session, claims_of_huge_sizes_take_nothing) {
    receive();
    channel peer(ends[0], 5s);
    peer.greet();
    offer(peer, "f", std::uint64_t{1} << 61U);
    const auto answer = peer.expect();
    EXPECT_EQ(answer.kind, message_kind::refuse);
    EXPECT_EQ(parse_text(answer.body).find("the disk has room for"), 0U);
    offer(peer, "f", UINT64_MAX);
    EXPECT_EQ(hear_failure(peer), "a size of 18446744073709551615 bytes, which no file can have");
    EXPECT_FALSE(receiving.get());
}

TEST_F(transfer_session, more_data_than_was_offered) {
    receive();
    channel peer(ends[0], 5s);
    begin(peer, 10);
    data(peer, "12345678");
    data(peer, "9ab");
    EXPECT_EQ(hear_failure(peer), "more than the 10 bytes that the file has");
    EXPECT_FALSE(receiving.get());
    EXPECT_EQ(there.get("f.part"), "12345678");
}

TEST_F(transfer_session, an_end_that_comes_early) {
    receive();
    channel peer(ends[0], 5s);
    begin(peer, 10);
    data(peer, "1234");
    end(peer, "1234");
    EXPECT_EQ(hear_failure(peer), "the end of the file after 4 of 10 bytes");
    EXPECT_FALSE(receiving.get());
    EXPECT_FALSE(there.has("f"));
}

TEST_F(transfer_session, a_checksum_of_something_else) {
    receive();
    channel peer(ends[0], 5s);
    begin(peer, 4);
    data(peer, "1234");
    end(peer, "1235");
    const auto answer = peer.expect();
    EXPECT_EQ(answer.kind, message_kind::refuse);
    ::shutdown(ends[0], SHUT_RDWR);
    EXPECT_FALSE(receiving.get());
    EXPECT_TRUE(std::filesystem::is_empty(there / "")) << "it cannot be gone on from";
}

TEST_F(transfer_session, a_start_where_nothing_is) {
    receive();
    channel peer(ends[0], 5s);
    peer.greet();
    offer(peer, "f", 100);
    ASSERT_EQ(peer.expect().kind, message_kind::have);
    peer.send(message_kind::start, make_start(50));
    EXPECT_EQ(hear_failure(peer), "a start at byte 50, with 0 bytes here");
    EXPECT_FALSE(receiving.get());
}

TEST_F(transfer_session, messages_that_do_not_belong_there) {
    receive();
    channel peer(ends[0], 5s);
    peer.greet();
    data(peer, "data of nothing");
    EXPECT_EQ(hear_failure(peer), "a message of kind 4 where one of kind 1 belongs");
    EXPECT_FALSE(receiving.get());
}

TEST_F(transfer_session, a_message_larger_than_any_is_not_waited_for) {
    receive();
    channel peer(ends[0], 5s);
    peer.greet();
    const unsigned char huge[] = {4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
    ASSERT_EQ(::send(ends[0], huge, sizeof huge, 0), ssize_t(sizeof huge));
    // Between two files it is for who runs the receiver to say so.
    EXPECT_THROW(receiving.get(), protocol_error);
}

TEST_F(transfer_session, another_protocol_is_told_from_this_one) {
    std::thread other([&] { (void)::send(ends[0], "GET / HTTP/1.0\r\n", 16, 0); });
    channel peer(ends[1], 5s);
    EXPECT_THROW(peer.greet(), protocol_error);
    other.join();
}

TEST_F(transfer_session, who_is_still_at_work_is_waited_for) {
    receive();
    channel peer(ends[0], 5s);
    peer.greet();
    peer.send(message_kind::waiting);
    offer(peer, "f", 2);
    ASSERT_EQ(peer.expect().kind, message_kind::have);
    peer.send(message_kind::waiting);
    peer.send(message_kind::start, make_start(0));
    data(peer, "o");
    peer.send(message_kind::waiting);
    data(peer, "k");
    end(peer, "ok");
    EXPECT_EQ(peer.expect().kind, message_kind::done);
    ::shutdown(ends[0], SHUT_RDWR);
    EXPECT_TRUE(receiving.get());
}

} // namespace
} // namespace xvsock::transfer
