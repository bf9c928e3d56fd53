// SPDX-License-Identifier: MIT
// What a sender may hand over: iovecs of any shape, single bytes in any number, bad pointers; and when it has
// to wait.
#include "stream_test.hpp"

#include <array>
#include <csignal>
#include <numeric>
#include <thread>

#include <sys/mman.h>
#include <sys/uio.h>

namespace xvsock::guest {
namespace {

class Send : public both_roles {};

TEST_P(Send, DontWaitTakesWhatFits) {
    const auto data = pattern_bytes(0, 1 << 20);
    const auto first = ::send(socket.get(), data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    ASSERT_GT(first, 0);
    ASSERT_LT(first, static_cast<ssize_t>(data.size()));
    const auto written = static_cast<std::size_t>(first);
    fill(socket.get(), default_buffer - written, written);
    const auto total = default_buffer;
    EXPECT_EQ(::send(socket.get(), data.data(), 1, MSG_DONTWAIT | MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_FALSE(poll_for(socket.get(), POLLOUT, 0));
    remote.expect(total);
    ASSERT_TRUE(poll_for(socket.get(), POLLOUT));
    send_pattern(socket.get(), 1000, total);
    remote.expect(1000, total);
}

TEST_P(Send, TimeoutEndsTheWaitAndKeepsWhatWent) {
    fill(socket.get());
    remote.expect(default_buffer);
    ASSERT_EQ(set_option(socket.get(), SOL_SOCKET, SO_SNDTIMEO, to_timeval(200ms)), 0);
    const auto data = pattern_bytes(default_buffer, 1 << 20);
    const auto sent = ::send(socket.get(), data.data(), data.size(), MSG_NOSIGNAL);
    EXPECT_EQ(sent, static_cast<ssize_t>(default_buffer));
    const auto before = steady::now();
    EXPECT_EQ(::send(socket.get(), data.data(), 1, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_GE(steady::now() - before, 150ms); // jiffies may lag behind the clock
    remote.expect(default_buffer, default_buffer);
    send_pattern(socket.get(), 1000, 2 * default_buffer);
    remote.expect(1000, 2 * default_buffer);
}

TEST_P(Send, BlocksUntilThereIsRoom) {
    constexpr std::size_t size = 2 << 20;
    std::jthread sender([&] { send_pattern(socket.get(), size); });
    std::this_thread::sleep_for(100ms);
    remote.expect(size);
    sender.join();
}

TEST_P(Send, OutOfBandAndAddressesAreRefused) {
    EXPECT_EQ(::send(socket.get(), "x", 1, MSG_OOB | MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, EOPNOTSUPP);
    const auto to = address(server_cid, service::echo);
    EXPECT_EQ(::sendto(socket.get(), "x", 1, MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to), sizeof to),
              -1);
    EXPECT_EQ(errno, EISCONN);
    EXPECT_EQ(::send(socket.get(), "", 0, MSG_NOSIGNAL), 0);
    send_pattern(socket.get(), 10);
    remote.expect(10); // nothing of the above
}

// As many as there may be, of lengths 0 to 1999 that repeat nowhere near the ring's size.
std::vector<iovec> cut(std::vector<std::uint8_t>& data, std::size_t count) {
    std::vector<iovec> result(count);
    std::size_t at = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const auto length = std::min<std::size_t>(i % 3 == 0 ? 0 : i * 733 % 2000, data.size() - at);
        result[i] = {.iov_base = data.data() + at, .iov_len = length};
        at += length;
    }
    data.resize(at);
    return result;
}

TEST_P(Send, ManyIovecsWithEmptyOnesAmongThem) {
    auto data = pattern_bytes(0, 1 << 20);
    auto pieces = cut(data, 1024);
    ASSERT_GT(data.size(), 2 * default_buffer);
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    remote.begin(remote_op::receive, {.size = data.size()});
    EXPECT_EQ(::sendmsg(socket.get(), &message, MSG_NOSIGNAL), static_cast<ssize_t>(data.size()));
    const auto answer = remote.finish();
    EXPECT_EQ(answer.result, static_cast<std::int64_t>(data.size()));
    EXPECT_EQ(answer.wrong, 0U);
    pieces.push_back(pieces.back());
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    EXPECT_EQ(::sendmsg(socket.get(), &message, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, EMSGSIZE);
}

TEST_P(Send, ManyIovecsToReceiveInto) {
    std::vector<std::uint8_t> data(1 << 20);
    auto pieces = cut(data, 1024);
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    remote.begin(remote_op::send, {.size = data.size() + 10});
    EXPECT_EQ(::recvmsg(socket.get(), &message, MSG_WAITALL), static_cast<ssize_t>(data.size()));
    EXPECT_TRUE(data == pattern_bytes(0, data.size()));
    EXPECT_EQ(remote.finish().result, static_cast<std::int64_t>(data.size() + 10));
    expect_pattern(socket.get(), 10, data.size());
}

TEST_P(Send, SeveralMessagesInACall) {
    auto data = pattern_bytes(0, 6400);
    std::vector<iovec> pieces(64);
    std::vector<mmsghdr> messages(64);
    const auto point = [&] {
        for (std::size_t i = 0; i < messages.size(); ++i) {
            pieces[i] = {.iov_base = data.data() + i * 100, .iov_len = 100};
            messages[i] = {};
            messages[i].msg_hdr.msg_iov = &pieces[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
    };
    point();
    EXPECT_EQ(::sendmmsg(socket.get(), messages.data(), 64, MSG_NOSIGNAL), 64);
    remote.expect(data.size());
    remote.send(data.size());
    std::fill(data.begin(), data.end(), 0);
    point();
    EXPECT_EQ(::recvmmsg(socket.get(), messages.data(), 64, MSG_WAITALL, nullptr), 64);
    EXPECT_TRUE(data == pattern_bytes(0, data.size()));
}

IN_BOTH_ROLES(Send);

// Others count some overhead for every packet against the buffer, and reset.
TEST(SmallWrites, ArriveInOrderInAnyNumber) {
    auto socket = connect_to(service::count);
    std::uint64_t sum = 0;
    constexpr std::uint64_t writes = 200000;
    for (std::uint64_t i = 0; i < writes; ++i) {
        const auto byte = pattern(i);
        sum += byte;
        ASSERT_EQ(::send(socket.get(), &byte, 1, MSG_NOSIGNAL), 1) << std::strerror(errno) << " at " << i;
    }
    ASSERT_EQ(::shutdown(socket.get(), SHUT_WR), 0);
    std::array<std::uint64_t, 2> result{};
    ASSERT_EQ(receive_all(socket.get(), result.data(), sizeof result), sizeof result);
    EXPECT_EQ(result[0], writes);
    EXPECT_EQ(result[1], sum);
}

class SmallWritesUnread : public testing::TestWithParam<role> {};

// Nobody reads meanwhile: single bytes fill the buffer to its last byte.
TEST_P(SmallWritesUnread, FillTheBuffer) {
    constexpr std::uint64_t room = 40000;
    remote_end remote;
    const auto socket = make_pair(remote, GetParam(), {.our_buffer = room});
    std::uint64_t sent = 0;
    for (int i = 0; i < 200 && sent < room; ++i) {
        const auto more = remote.run(remote_op::send_ones,
                                     {.size = room + 1 - sent, .position = sent, .number = MSG_DONTWAIT});
        if (more.result > 0)
            sent += static_cast<std::uint64_t>(more.result);
        else
            std::this_thread::sleep_for(20ms); // the large ring is on its way
    }
    EXPECT_EQ(sent, room);
    expect_pattern(socket.get(), sent);
    remote.send(1000, sent);
    expect_pattern(socket.get(), 1000, sent);
}

IN_BOTH_ROLES(SmallWritesUnread);

// One page that may be used, and after it one that may not.
class half_forbidden {
public:
    static constexpr std::size_t page = 4096;

    half_forbidden()
        : base_(static_cast<std::uint8_t*>(
              ::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
        EXPECT_EQ(::mprotect(base_ + page, page, PROT_NONE), 0);
    }
    half_forbidden(const half_forbidden&) = delete;
    half_forbidden& operator=(const half_forbidden&) = delete;
    ~half_forbidden() { ::munmap(base_, 2 * page); }

    [[nodiscard]] std::uint8_t* forbidden() const { return base_ + page; }
    // So many good bytes before the forbidden ones.
    [[nodiscard]] std::uint8_t* good(std::size_t bytes) const { return base_ + page - bytes; }

private:
    std::uint8_t* base_;
};

class BadPointer : public both_roles {
protected:
    // Up to 6.1 the core turns the errno of a copy that failed into ENOMEM.
    const int expected_error = linux_is(6, 12) ? EFAULT : ENOMEM;
    half_forbidden memory;
};

TEST_P(BadPointer, OfAReceiverLosesNoByte) {
    remote.send(3000);
    ASSERT_TRUE(poll_for(socket.get(), POLLIN));
    EXPECT_EQ(::recv(socket.get(), memory.forbidden(), 4096, 0), -1);
    EXPECT_EQ(errno, expected_error);
    expect_pattern(socket.get(), 3000);
}

TEST_P(BadPointer, OfASenderSendsNothing) {
    EXPECT_EQ(::send(socket.get(), memory.forbidden(), 4096, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, expected_error);
    send_pattern(socket.get(), 3000);
    remote.expect(3000);
}

// What fits before the bad part is received, at least nearly; what was not stays.
TEST_P(BadPointer, InTheMiddleOfAReceivingBufferLosesNoByte) {
    constexpr std::size_t total = 100000;
    remote.begin(remote_op::send, {.size = total});
    std::size_t at = 0;
    for (const std::size_t good : {1UL, 7UL, 100UL, 1000UL, 3000UL, 4096UL}) {
        const auto got = ::recv(socket.get(), memory.good(good), good + 4096, 0);
        if (got < 0) {
            EXPECT_EQ(errno, expected_error);
            continue;
        }
        ASSERT_LE(got, static_cast<ssize_t>(good));
        const auto expected = pattern_bytes(at, static_cast<std::size_t>(got));
        EXPECT_TRUE(std::equal(expected.begin(), expected.end(), memory.good(good))) << "at " << at;
        at += static_cast<std::size_t>(got);
    }
    EXPECT_GT(at, 0U);
    expect_pattern(socket.get(), total - at, at);
    EXPECT_EQ(remote.finish().result, static_cast<std::int64_t>(total));
}

TEST_P(BadPointer, InTheMiddleOfASendersBufferSendsWhatIsBefore) {
    std::size_t at = 0;
    for (const std::size_t good : {1UL, 7UL, 100UL, 1000UL, 3000UL, 4096UL}) {
        const auto data = pattern_bytes(at, good);
        std::copy(data.begin(), data.end(), memory.good(good));
        const auto sent = ::send(socket.get(), memory.good(good), good + 4096, MSG_NOSIGNAL);
        if (sent < 0) {
            EXPECT_EQ(errno, expected_error);
            continue;
        }
        ASSERT_LE(sent, static_cast<ssize_t>(good));
        remote.expect(static_cast<std::uint64_t>(sent), at);
        at += static_cast<std::size_t>(sent);
    }
    EXPECT_GT(at, 0U);
    send_pattern(socket.get(), 1000, at);
    remote.expect(1000, at);
}

TEST_P(BadPointer, AmongGoodIovecs) {
    auto data = pattern_bytes(0, 5000);
    std::array<iovec, 3> pieces{
        {{data.data(), 1000}, {memory.forbidden(), 1000}, {data.data() + 1000, 4000}}};
    EXPECT_EQ(::writev(socket.get(), pieces.data(), 3), 1000);
    remote.expect(1000);
    remote.send(5000);
    ASSERT_TRUE(poll_for(socket.get(), POLLIN));
    std::fill(data.begin(), data.end(), 0);
    EXPECT_EQ(::readv(socket.get(), pieces.data(), 3), 1000);
    data.resize(1000);
    EXPECT_TRUE(data == pattern_bytes(0, 1000));
    expect_pattern(socket.get(), 4000, 1000);
}

IN_BOTH_ROLES(BadPointer);

} // namespace
} // namespace xvsock::guest
