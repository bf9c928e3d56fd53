// SPDX-License-Identifier: MIT
// Names: every call that looks one up knows peers, and asks for others as ever.
#include "run_test.hpp"

#include <netdb.h>

namespace xvsock::guest {
namespace {

std::string literal6() {
    char text[64];
    std::snprintf(text, sizeof text, "fd78:7673:6f63:6b00::%x", std::stoi(variable("CID_g1")));
    return text;
}

/// The address that a hostent has, as text.
std::string first_of(const hostent* host) {
    if (host == nullptr)
        return "none";
    char text[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(host->h_addrtype, host->h_addr, text, sizeof text);
    return text;
}

TEST(RunNames, ByGetaddrinfo) {
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* results = nullptr;
    ASSERT_EQ(::getaddrinfo("g1", "7100", &hints, &results), 0);
    sockaddr_in found{};
    std::memcpy(&found, results->ai_addr, sizeof found);
    ::freeaddrinfo(results);
    EXPECT_EQ(found.sin_addr.s_addr, at(carried_address("g1"), 0).sin_addr.s_addr);
    EXPECT_EQ(ntohs(found.sin_port), 7100);
    hints.ai_family = AF_INET6;
    ASSERT_EQ(::getaddrinfo("g1", nullptr, &hints, &results), 0);
    const auto six = at6(literal6(), 0);
    EXPECT_EQ(
        std::memcmp(&reinterpret_cast<const sockaddr_in6*>(results->ai_addr)->sin6_addr, &six.sin6_addr, 16),
        0);
    ::freeaddrinfo(results);
    hints.ai_family = AF_INET;
    ASSERT_EQ(::getaddrinfo("127.0.0.1", nullptr, &hints, &results), 0);
    std::memcpy(&found, results->ai_addr, sizeof found);
    ::freeaddrinfo(results);
    EXPECT_EQ(found.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    EXPECT_EQ(::getaddrinfo("127.0.0.1", "no-such-service", &hints, &results), EAI_SERVICE);
    // So a program asks whether it is an address.
    hints.ai_flags = AI_NUMERICHOST;
    EXPECT_EQ(::getaddrinfo("g1", nullptr, &hints, &results), EAI_NONAME);
    ASSERT_EQ(::getaddrinfo(carried_address("g1").c_str(), nullptr, &hints, &results), 0);
    ::freeaddrinfo(results);
}

TEST(RunNames, ByGetnameinfo) {
    const auto peer = at(carried_address("g1"), 7100);
    const auto* const address = reinterpret_cast<const sockaddr*>(&peer);
    char name[64] = "";
    char service[64] = "";
    EXPECT_EQ(::getnameinfo(address, sizeof peer, name, sizeof name, service, sizeof service, NI_NUMERICSERV),
              0);
    EXPECT_STREQ(name, "g1");
    EXPECT_STREQ(service, "7100");
    EXPECT_EQ(::getnameinfo(address, sizeof peer, name, sizeof name, nullptr, 0, NI_NUMERICHOST), 0);
    EXPECT_EQ(name, carried_address("g1"));
    EXPECT_EQ(::getnameinfo(address, sizeof peer, name, 2, nullptr, 0, 0), EAI_OVERFLOW);
    const auto nobody = at("198.18.250.250", 1);
    EXPECT_EQ(::getnameinfo(reinterpret_cast<const sockaddr*>(&nobody), sizeof nobody, name, sizeof name,
                            nullptr, 0, NI_NAMEREQD),
              EAI_NONAME);
    const auto here = at("127.0.0.1", 1);
    EXPECT_EQ(::getnameinfo(reinterpret_cast<const sockaddr*>(&here), sizeof here, name, sizeof name, nullptr,
                            0, 0),
              0);
    EXPECT_STREQ(name, "localhost");
}

TEST(RunNames, ByGethostbyname) {
    EXPECT_EQ(first_of(::gethostbyname("g1")), carried_address("g1"));
    EXPECT_EQ(first_of(::gethostbyname("127.0.0.1")), "127.0.0.1");
    EXPECT_EQ(first_of(::gethostbyname2("g1", AF_INET)), carried_address("g1"));
    EXPECT_EQ(first_of(::gethostbyname2("g1", AF_INET6)), literal6());
    EXPECT_EQ(first_of(::gethostbyname2("127.0.0.1", AF_INET)), "127.0.0.1");
}

TEST(RunNames, ByReentrantCalls) {
    hostent host{};
    hostent* found = nullptr;
    char buffer[1024];
    int error = 0;
    EXPECT_EQ(::gethostbyname_r("g1", &host, buffer, sizeof buffer, &found, &error), 0);
    EXPECT_EQ(first_of(found), carried_address("g1"));
    EXPECT_EQ(::gethostbyname2_r("g1", AF_INET6, &host, buffer, sizeof buffer, &found, &error), 0);
    EXPECT_EQ(first_of(found), literal6());
    EXPECT_EQ(::gethostbyname_r("g1", &host, buffer, 1, &found, &error), ERANGE);
    EXPECT_EQ(::gethostbyname_r("127.0.0.1", &host, buffer, sizeof buffer, &found, &error), 0);
    EXPECT_EQ(first_of(found), "127.0.0.1");
}

TEST(RunNames, OfAddresses) {
    const auto four = at(carried_address("g1"), 0).sin_addr;
    const auto six = at6(literal6(), 0).sin6_addr;
    const hostent* host = ::gethostbyaddr(&four, sizeof four, AF_INET);
    ASSERT_NE(host, nullptr);
    EXPECT_STREQ(host->h_name, "g1");
    EXPECT_EQ(first_of(host), carried_address("g1"));
    const auto loopback = htonl(INADDR_LOOPBACK);
    host = ::gethostbyaddr(&loopback, sizeof loopback, AF_INET);
    ASSERT_NE(host, nullptr);
    EXPECT_STREQ(host->h_name, "localhost");

    hostent result{};
    hostent* found = nullptr;
    char buffer[1024];
    int error = 0;
    ASSERT_EQ(::gethostbyaddr_r(&six, sizeof six, AF_INET6, &result, buffer, sizeof buffer, &found, &error),
              0);
    ASSERT_NE(found, nullptr);
    EXPECT_STREQ(found->h_name, "g1");
    EXPECT_EQ(first_of(found), literal6());
    EXPECT_EQ(::gethostbyaddr_r(&six, sizeof six, AF_INET6, &result, buffer, 1, &found, &error), ERANGE);
}

} // namespace
} // namespace xvsock::guest
