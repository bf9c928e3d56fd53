// SPDX-License-Identifier: MIT
// Standard input and output at both ends of a connection, over Unix sockets.
#include "cat/pump.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <future>
#include <memory>
#include <numeric>
#include <string>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace xvsock::cat {
namespace {

using namespace std::chrono_literals;

/// input -> pump <-> far; pump -> output
class cat_pump : public testing::Test {
protected:
    void SetUp() override {
        int pair[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        near = pair[0];
        far = pair[1];
        ASSERT_EQ(::pipe2(pair, O_CLOEXEC), 0);
        input = pair[0];
        give = pair[1];
        ASSERT_EQ(::pipe2(pair, O_CLOEXEC), 0);
        take = pair[0];
        output = pair[1];
        ::signal(SIGPIPE, SIG_IGN);
    }

    void TearDown() override {
        for (const int fd : {far, give, take}) // the others a left-behind thread may still use
            ::close(fd);
    }

    void start() {
        pumped = std::async(std::launch::async, [this] {
            // As a program that ends. The socket stays, for the thread that may be left behind.
            const std::unique_ptr<int, void (*)(int*)> closing(&output, [](int* fd) { ::close(*fd); });
            pump(near, input, output);
        });
    }

    static std::string read_all(int fd) {
        std::string all;
        char data[4096];
        for (ssize_t size = 0; (size = ::read(fd, data, sizeof data)) > 0;)
            all.append(data, std::size_t(size));
        return all;
    }

    static void write_all(int fd, const std::string& text) {
        for (std::size_t done = 0; done < text.size();) {
            const ssize_t part = ::write(fd, text.data() + done, text.size() - done);
            ASSERT_GT(part, 0);
            done += std::size_t(part);
        }
    }

    static std::string pattern(std::size_t size, char first) {
        std::string text(size, 0);
        std::iota(text.begin(), text.end(), first);
        return text;
    }

    std::string problem() {
        try {
            pumped.get();
            return "";
        } catch (const std::runtime_error& error) {
            return error.what();
        }
    }

    void close_now(int& fd) { ::close(std::exchange(fd, -1)); }

    int near = -1, far = -1, input = -1, give = -1, take = -1, output = -1;
    std::future<void> pumped;
};

TEST_F(cat_pump, carries_all_both_ways_at_once) {
    const auto there = pattern(3'000'000, 1), back = pattern(2'000'000, 7);
    start();
    auto giving = std::async(std::launch::async, [&] {
        write_all(give, there);
        close_now(give);
    });
    auto answering = std::async(std::launch::async, [&] {
        write_all(far, back);
        ::shutdown(far, SHUT_WR);
    });
    auto hearing = std::async(std::launch::async, [&] { return read_all(far); });
    EXPECT_EQ(read_all(take), back);
    EXPECT_EQ(hearing.get(), there);
    EXPECT_EQ(problem(), "");
}

TEST_F(cat_pump, the_end_of_the_input_is_a_half_close) {
    start();
    write_all(give, "question");
    close_now(give);
    EXPECT_EQ(read_all(far), "question");
    write_all(far, "answer");
    close_now(far);
    EXPECT_EQ(read_all(take), "answer");
    EXPECT_EQ(problem(), "");
}

TEST_F(cat_pump, what_the_peer_closes_first_still_hears_the_input) {
    start();
    ::shutdown(far, SHUT_WR);
    EXPECT_EQ(pumped.wait_for(300ms), std::future_status::timeout);
    write_all(give, "late");
    close_now(give);
    EXPECT_EQ(read_all(far), "late");
    EXPECT_EQ(problem(), "");
}

TEST_F(cat_pump, ends_with_the_peer_though_the_input_is_open) {
    start();
    write_all(far, "bye");
    close_now(far);
    EXPECT_EQ(pumped.wait_for(5s), std::future_status::ready);
    EXPECT_EQ(problem(), "");
    EXPECT_EQ(read_all(take), "bye");
}

TEST_F(cat_pump, input_that_is_on_its_way_when_the_peer_goes_is_an_error) {
    write_all(give, pattern(50'000, 1));
    close_now(give);
    close_now(far);
    start();
    EXPECT_EQ(
        problem(),
        "the peer has not taken all of the input: the connection is broken: the other end has closed it");
}

TEST_F(cat_pump, output_that_nobody_takes_is_an_error) {
    start();
    ::close(std::exchange(take, -1));
    write_all(far, "text");
    EXPECT_EQ(problem(), "cannot write the output: Broken pipe");
}

TEST_F(cat_pump, input_that_cannot_be_read_is_an_error) {
    const int folder = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ::close(std::exchange(input, folder));
    start();
    EXPECT_EQ(problem(), "cannot read the input: Is a directory");
}

TEST_F(cat_pump, files_do_as_well_as_pipes) {
    char name[] = "/tmp/xvsock-cat-XXXXXX";
    const int file = ::mkstemp(name);
    ::unlink(name);
    write_all(file, "from a file");
    ::lseek(file, 0, SEEK_SET);
    ::close(std::exchange(input, file));
    start();
    EXPECT_EQ(read_all(far), "from a file");
    close_now(far);
    EXPECT_EQ(problem(), "");
}

} // namespace
} // namespace xvsock::cat
