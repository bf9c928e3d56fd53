// SPDX-License-Identifier: MIT
#include "perf/address.hpp"

#include <xvsock/error.hpp>

#include <cerrno>
#include <gtest/gtest.h>
#include <stdexcept>

#include <sys/socket.h>

#include <linux/vm_sockets.h>

namespace xvsock::perf {
namespace {

constexpr auto to_connect = address_role::connect;
constexpr auto to_listen = address_role::listen;

TEST(address, vsock) {
    const address numeric = parse_address("vsock:4:5001", to_connect);
    EXPECT_EQ(numeric.family, address_family::vsock);
    EXPECT_EQ(numeric.cid, 4u);
    EXPECT_EQ(numeric.port, 5001u);
    EXPECT_EQ(parse_address("vsock:host:1", to_connect).cid, 2u);
    EXPECT_EQ(parse_address("vsock:local:1", to_connect).cid, 1u);
    EXPECT_EQ(parse_address("vsock:4:4294967294", to_connect).port, 4294967294u);
}

TEST(address, vsock_to_listen) {
    EXPECT_EQ(parse_address("vsock:5001", to_listen).cid, VMADDR_CID_ANY);
    EXPECT_EQ(parse_address("vsock:any:5001", to_listen), parse_address("vsock:5001", to_listen));
    EXPECT_EQ(parse_address("vsock:3:5001", to_listen).cid, 3u);
}

TEST(address, tcp) {
    const address ipv4 = parse_address("tcp:127.0.0.1:5001", to_connect);
    EXPECT_EQ(ipv4.family, address_family::tcp);
    EXPECT_EQ(ipv4.host, "127.0.0.1");
    EXPECT_EQ(ipv4.port, 5001u);
    EXPECT_EQ(parse_address("tcp:[::1]:5001", to_connect).host, "::1");
    EXPECT_EQ(parse_address("tcp:guest-b:65535", to_connect).host, "guest-b");
    EXPECT_EQ(parse_address("tcp:0", to_listen).host, "");
    EXPECT_EQ(parse_address("tcp:any:5001", to_listen), parse_address("tcp:5001", to_listen));
}

TEST(address, unix_path) {
    EXPECT_EQ(parse_address("unix:/tmp/a:b", to_connect).path, "/tmp/a:b");
    EXPECT_EQ(parse_address("unix:@name", to_listen).path, "@name");
    EXPECT_NO_THROW(parse_address("unix:" + std::string(107, 'x'), to_connect));
    EXPECT_THROW(parse_address("unix:" + std::string(108, 'x'), to_connect), std::invalid_argument);
}

TEST(address, what_cannot_be_connected_to_is_refused) {
    for (const char* text : {"",
                             "vsock",
                             "vsock:",
                             "vsock:5001",
                             "vsock:any:5001",
                             "vsock:4:",
                             "vsock:x:1",
                             "vsock:4:x",
                             "vsock:4:-1",
                             "vsock:4294967295:1",
                             "vsock:4:4294967295",
                             "vsock:1:2:3",
                             "tcp:5001",
                             "tcp:any:1",
                             "tcp:h:0",
                             "tcp:h:65536",
                             "tcp::1",
                             "tcp:::1:5001",
                             "tcp:[::1]",
                             "tcp:[::1]5001",
                             "tcp:[::1:5001",
                             "unix:",
                             "unix:@",
                             "udp:h:1",
                             "4:5001"})
        EXPECT_THROW(parse_address(text, to_connect), std::invalid_argument) << text;
}

TEST(address, errors_name_the_address_and_what_would_be_right) {
    try {
        parse_address("vsock:5001", to_connect);
        FAIL();
    } catch (const std::invalid_argument& error) {
        EXPECT_STREQ(error.what(), "address 'vsock:5001': the CID is missing, write vsock:CID:PORT");
    }
}

TEST(address, text_is_what_was_read) {
    for (const char* text : {"vsock:4:5001", "tcp:127.0.0.1:5001", "tcp:[::1]:5001", "unix:/tmp/x"})
        EXPECT_EQ(to_string(parse_address(text, to_connect)), text);
    EXPECT_EQ(to_string(parse_address("vsock:7", to_listen)), "vsock:any:7");
    EXPECT_EQ(to_string(parse_address("tcp:7", to_listen)), "tcp:any:7");
}

TEST(address, likely_causes) {
    const address peer = parse_address("vsock:4:5001", to_connect);
    const auto says = [&](int error, const char* what) {
        const std::string text = explain_error(peer, to_connect, error);
        EXPECT_NE(text.find("vsock:4:5001"), std::string::npos) << text;
        EXPECT_NE(text.find(what), std::string::npos) << text;
    };
    const std::string here =
        to_string(likely_cause({EHOSTUNREACH, boost::system::system_category()}), {4, 5001});
    says(ENODEV, here.c_str());
    says(EHOSTUNREACH, here.c_str());
    says(EAFNOSUPPORT, here.c_str());
    says(ECONNRESET, "nobody listens on port 5001 of CID 4");
    says(ETIMEDOUT, "did not answer");
}

} // namespace
} // namespace xvsock::perf
