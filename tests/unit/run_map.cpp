// SPDX-License-Identifier: MIT
// Which addresses stand for which domains, as `xvsock run` writes it and the library in the program reads it.
#include "address_map.hpp"
#include "run/map_file.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <sstream>

#include <arpa/inet.h>

namespace xvsock {
namespace {

using preload::address_map;

const std::vector<known_peer> peers{
    {.name = "web", .cid = 5}, {.name = "", .cid = 6}, {.name = "my db", .cid = 700}};

std::optional<std::uint32_t> cid_of(const address_map& map, const std::string& text) {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    if (::inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1)
        return map.cid_of(reinterpret_cast<const sockaddr*>(&four), sizeof four);
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    EXPECT_EQ(::inet_pton(AF_INET6, text.c_str(), &six.sin6_addr), 1) << text;
    return map.cid_of(reinterpret_cast<const sockaddr*>(&six), sizeof six);
}

std::string text_of(const sockaddr_storage& address) {
    char text[INET6_ADDRSTRLEN] = "";
    if (address.ss_family == AF_INET)
        ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&address)->sin_addr, text, sizeof text);
    else
        ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr, text, sizeof text);
    return text;
}

std::string address_of(const address_map& map, std::uint32_t cid, int family) {
    return text_of(map.address_of(cid, family, 80));
}

TEST(run_map, every_cid_has_an_address) {
    const address_map map("");
    EXPECT_EQ(cid_of(map, "198.18.0.5"), 5U);
    EXPECT_EQ(cid_of(map, "198.18.2.188"), 700U);
    EXPECT_EQ(cid_of(map, "198.19.0.5"), 65541U);
    EXPECT_EQ(cid_of(map, "198.19.255.255"), 131071U);
    EXPECT_EQ(cid_of(map, "::ffff:198.18.0.5"), 5U);
    EXPECT_EQ(cid_of(map, "fd78:7673:6f63:6b00::5"), 5U);
    EXPECT_EQ(cid_of(map, "fd78:7673:6f63:6b00::1:2"), 0x10002U);
    for (const char* other :
         {"198.17.255.255", "198.20.0.0", "198.18.0.0", "127.0.0.1", "0.0.0.0", "::", "::1",
          "fd78:7673:6f63:6b01::5", "fd78:7673:6f63:6b00:1::5", "fd78:7673:6f63:6b00::"})
        EXPECT_EQ(cid_of(map, other), std::nullopt) << other;
    EXPECT_EQ(address_of(map, 700, AF_INET), "198.18.2.188");
    EXPECT_EQ(address_of(map, 700, AF_INET6), "::ffff:198.18.2.188");
    EXPECT_EQ(address_of(map, 131071, AF_INET), "198.19.255.255");
    EXPECT_EQ(address_of(map, 65536, AF_INET6), "::ffff:198.19.0.0");
    EXPECT_EQ(address_of(map, 0x20002, AF_INET6), "fd78:7673:6f63:6b00::2:2");
}

TEST(run_map, other_families_and_short_addresses_are_not_meant) {
    const address_map map("");
    sockaddr_in four{};
    four.sin_family = AF_INET;
    ::inet_pton(AF_INET, "198.18.0.5", &four.sin_addr);
    const auto* const address = reinterpret_cast<const sockaddr*>(&four);
    EXPECT_EQ(map.cid_of(address, sizeof four), 5U);
    EXPECT_EQ(map.cid_of(address, sizeof four - 1), std::nullopt);
    EXPECT_EQ(map.cid_of(address, 0), std::nullopt);
    EXPECT_EQ(map.cid_of(nullptr, sizeof four), std::nullopt);
    four.sin_family = AF_UNIX;
    EXPECT_EQ(map.cid_of(address, sizeof four), std::nullopt);
}

TEST(run_map, what_is_written_is_read) {
    const auto text = run::map_text(3, peers, {{"10.77.0.12", 5}, {"2001:db8::5", 5}, {"10.77.0.3", 3}});
    const address_map map(text);
    EXPECT_EQ(map.own(), 3U);
    EXPECT_EQ(cid_of(map, "10.77.0.12"), 5U);
    EXPECT_EQ(cid_of(map, "::ffff:10.77.0.12"), 5U);
    EXPECT_EQ(cid_of(map, "2001:db8::5"), 5U);
    EXPECT_EQ(cid_of(map, "198.18.0.5"), 5U); // as well
    EXPECT_EQ(address_of(map, 5, AF_INET), "10.77.0.12");
    EXPECT_EQ(address_of(map, 3, AF_INET), "10.77.0.3");
    EXPECT_EQ(map.find("web", AF_UNSPEC), "10.77.0.12");
    EXPECT_EQ(map.find("web", AF_INET6), "fd78:7673:6f63:6b00::5");
    EXPECT_EQ(map.find("my db", AF_INET), "198.18.2.188");
    EXPECT_EQ(map.find("other", AF_INET), std::nullopt);
    EXPECT_EQ(map.find("", AF_INET), std::nullopt);
    ASSERT_NE(map.name_of(700), nullptr);
    EXPECT_EQ(*map.name_of(700), "my db");
    EXPECT_EQ(map.name_of(6), nullptr);
}

TEST(run_map, some_want_nothing_of_ipv4) {
    const address_map map("own 700\naddress 5 10.77.0.12\naddress 6 2001:db8::6");
    EXPECT_EQ(text_of(map.address_of(5, AF_INET6, 80)), "::ffff:10.77.0.12");
    EXPECT_EQ(text_of(map.address_of(5, AF_INET6, 80, true)), "fd78:7673:6f63:6b00::5");
    EXPECT_EQ(text_of(map.address_of(6, AF_INET6, 80, true)), "2001:db8::6");
    EXPECT_EQ(text_of(map.address_of(700, AF_INET6, 80, true)), "fd78:7673:6f63:6b00::2bc");
}

TEST(run_map, the_own_address_is_on_the_loopback) {
    const address_map map("own 700");
    for (const int family : {AF_INET, AF_INET6}) {
        const auto place = map.own_on_loopback(family, 80);
        EXPECT_EQ(text_of(place), family == AF_INET ? "127.18.2.188" : "::ffff:127.18.2.188");
        EXPECT_TRUE(
            map.is_own_on_loopback(reinterpret_cast<const sockaddr*>(&place), preload::address_size(family)));
        const auto other = address_map("own 701").own_on_loopback(family, 80);
        EXPECT_FALSE(
            map.is_own_on_loopback(reinterpret_cast<const sockaddr*>(&other), preload::address_size(family)));
        EXPECT_EQ(text_of(address_map("own 65541").own_on_loopback(AF_INET, 80)), "127.19.0.5");
        // Nobody's, before it is known who we are.
        EXPECT_FALSE(address_map("").is_own_on_loopback(reinterpret_cast<const sockaddr*>(&place),
                                                        preload::address_size(family)));
    }
}

TEST(run_map, lines_without_sense_are_left_out) {
    const address_map map("own\nown x\npeer 5\naddress 5 nowhere\nnonsense\n\npeer 7 seven\naddress 8");
    EXPECT_EQ(map.own(), 0U);
    EXPECT_EQ(map.find("seven", AF_INET), "198.18.0.7");
}

std::string complaint(const std::string& text) {
    std::istringstream input(text);
    try {
        run::read_map(input, "FILE", peers);
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "none";
}

TEST(run_map_file, has_an_address_and_a_peer_in_each_line) {
    std::istringstream input(
        "# addresses\n\n10.0.0.1 web\n  10.0.0.2\t6 # the nameless one\n2001:db8::1 700\n");
    EXPECT_EQ(run::read_map(input, "FILE", peers),
              (std::vector<run::mapping>{{"10.0.0.1", 5}, {"10.0.0.2", 6}, {"2001:db8::1", 700}}));
}

TEST(run_map_file, says_where_it_is_wrong) {
    EXPECT_EQ(complaint("10.0.0.1 web\n10.0.0.2"), "FILE:2: a line is ADDRESS PEER");
    EXPECT_EQ(complaint("10.0.0.1 web more"), "FILE:1: a line is ADDRESS PEER");
    EXPECT_EQ(complaint("10.0.0 web"), "FILE:1: '10.0.0' is no IPv4 or IPv6 address");
    EXPECT_EQ(complaint("10.0.0.1 db"),
              "FILE:1: 'db' is no CID and the name of no peer; the peers are web, my db");
    EXPECT_EQ(complaint("10.0.0.1 1"),
              "FILE:1: '1' is no CID and the name of no peer; the peers are web, my db");
    EXPECT_EQ(complaint("10.0.0.1 5\n10.0.0.1 6"), "FILE:2: 10.0.0.1 stands for two domains");
}

} // namespace
} // namespace xvsock
