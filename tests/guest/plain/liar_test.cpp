// SPDX-License-Identifier: MIT
// Against plain-liar in g2, whose vchans at these ports are wrong in one way each.
#include "plain_test.hpp"

#include "hostile/plain_lies.hpp"

#include <array>
#include <set>

namespace xvsock::guest {
namespace {

using hostile::plain_lie;

std::uint32_t port_of(plain_lie lie) {
    return hostile::first_lie_port + static_cast<std::uint32_t>(lie);
}

/// The ids of connections at this port in this state. In "closing" they have ended here and not there.
std::set<std::string> those(const std::string& state, std::uint32_t port) {
    std::ifstream connections("/sys/kernel/debug/xvsock/connections");
    std::set<std::string> ids;
    const auto wanted = "state=" + state + " local_port=" + std::to_string(port) + " ";
    for (std::string line; std::getline(connections, line);)
        if (line.find(wanted) != std::string::npos)
            ids.insert(line.substr(line.find(" id="), line.find(" role=")));
    return ids;
}

/// Nothing of it is left with us.
class PlainLiar : public testing::Test {
protected:
    void TearDown() override {
        EXPECT_TRUE(within_a_moment([] { return counter("mapped_pages") == 0; }));
    }

    static descriptor liar(plain_lie lie) { return connected(cid_of("g2"), port_of(lie)); }
};

TEST_F(PlainLiar, APageThatIsNoneIsNoListener) {
    for (const auto lie : {plain_lie::no_page, plain_lie::no_port, plain_lie::no_numbers, plain_lie::closed})
        EXPECT_EQ(try_connect(make_socket().get(), cid_of("g2"), port_of(lie)), ECONNRESET)
            << static_cast<int>(lie);
}

TEST_F(PlainLiar, RingsThatCannotBeAreRefused) {
    const auto before = counter("violations");
    const plain_lie lies[] = {plain_lie::order_zero, plain_lie::order_huge, plain_lie::same_small_orders,
                              plain_lie::no_grants};
    for (const auto lie : lies)
        EXPECT_EQ(try_connect(make_socket().get(), cid_of("g2"), port_of(lie)), EPROTO)
            << static_cast<int>(lie);
    EXPECT_EQ(counter("violations"), before + std::size(lies));
}

TEST_F(PlainLiar, AnImpossibleProducerEndsTheConnection) {
    const auto before = counter("violations");
    const auto socket = liar(plain_lie::producer);
    EXPECT_EQ(read_error(socket), ECONNRESET);
    EXPECT_GT(counter("violations"), before);
}

TEST_F(PlainLiar, AnImpossibleConsumerEndsTheConnection) {
    const auto before = counter("violations");
    const auto socket = liar(plain_lie::consumer);
    EXPECT_EQ(::send(socket.get(), "x", 1, MSG_NOSIGNAL), -1);
    EXPECT_TRUE(errno == ECONNRESET || errno == EPIPE) << std::strerror(errno);
    EXPECT_GT(counter("violations"), before);
}

TEST_F(PlainLiar, OtherBitsOfALiveByteMeanNothing) {
    const auto socket = liar(plain_lie::strange_live);
    EXPECT_EQ(polled(socket, POLLIN, 300ms), 0);
    EXPECT_EQ(::send(socket.get(), "x", 1, MSG_NOSIGNAL), 1);
}

TEST_F(PlainLiar, ALiveByteWithoutEndEndsTheConnection) {
    const auto socket = liar(plain_lie::flipping);
    EXPECT_NE(polled(socket, POLLIN), 0);
    EXPECT_NE(read_error(socket), 0);
}

TEST_F(PlainLiar, EventsForNothingHarmNobody) {
    const auto stormy = liar(plain_lie::storm);
    EXPECT_EQ(tell("echo " + offer_to_us(120)), "ok");
    must_echo(connected(cid_of("g2"), 120), 100'000);
}

TEST_F(PlainLiar, AClientsImpossibleIndicesEndTheConnection) {
    for (const auto lie : {plain_lie::client_producer, plain_lie::client_consumer}) {
        const auto listener = listen_on(port_of(lie), 1);
        const auto socket = accepted(listener);
        ASSERT_GE(socket.get(), 0);
        // It has lied when it says so through the ring, or that is the lie.
        EXPECT_NE(polled(socket, POLLIN), 0);
        if (lie == plain_lie::client_consumer) {
            // The writer looks at the index when the ring seems full by what it has seen before.
            const std::array<char, 1024> block{};
            while (::send(socket.get(), block.data(), block.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
                continue;
            EXPECT_TRUE(errno == ECONNRESET || errno == EPIPE) << std::strerror(errno);
        } else {
            EXPECT_EQ(read_error(socket), ECONNRESET);
        }
    }
}

/// Nobody else would get such an offer, and there is no event that tells of who has it.
TEST_F(PlainLiar, AClientThatSaysNothingDoesNotKeepAnOffer) {
    for (const auto lie :
         {plain_lie::client_silent, plain_lie::client_portless, plain_lie::client_pageless}) {
        for (int i = 0; i < 2; ++i) {
            std::set<std::string> offered;
            EXPECT_TRUE(within_a_moment([&] {
                offered = those("offered", port_of(lie));
                return !offered.empty();
            })) << static_cast<int>(lie);
            EXPECT_TRUE(within_a_moment([&] {
                const auto now = those("offered", port_of(lie));
                return !now.empty() && now != offered;
            })) << static_cast<int>(lie);
        }
    }
}

/// What a client keeps mapped stays on its account, and is given back when it lets go.
TEST_F(PlainLiar, AClientThatKeepsOurPagesPaysForThem) {
    {
        const auto listener = listen_on(port_of(plain_lie::client_keeps), 1);
        const auto socket = accepted(listener);
        ASSERT_GE(socket.get(), 0);
    }
    std::this_thread::sleep_for(700ms); // it lets go after 2 s
    const auto kept = those("closing", port_of(plain_lie::client_keeps));
    EXPECT_FALSE(kept.empty());
    EXPECT_TRUE(within_a_moment([&] { return those("closing", port_of(plain_lie::client_keeps)) != kept; }));
}

/// It comes and goes as fast as it can. Others are served meanwhile.
TEST_F(PlainLiar, AFloodOfClientsHarmsNobody) {
    const auto listener = listen_on(port_of(plain_lie::client_flood), 8);
    for (int i = 0; i < 30; ++i)
        ASSERT_GE(accepted(listener).get(), 0) << i;
    EXPECT_EQ(tell("echo " + offer_to_us(121)), "ok");
    must_echo(connected(cid_of("g2"), 121), 100'000);
}

} // namespace
} // namespace xvsock::guest
