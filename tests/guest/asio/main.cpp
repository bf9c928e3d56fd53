// SPDX-License-Identifier: MIT
// The Asio layer as a program sees it; vsock-services runs in the domain with the CID and name given:
//   vsock-asio-test CID NAME [--gtest_filter=…]
#include <cstdint>
#include <cstdio>
#include <string>

#include "run_tests.hpp"

namespace xvsock::guest {
extern std::uint32_t server_cid;
std::string server_name;
} // namespace xvsock::guest

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    if (argc != 3) {
        std::fprintf(stderr, "usage: vsock-asio-test CID NAME [--gtest_…]\n");
        return 2;
    }
    xvsock::guest::server_cid = static_cast<std::uint32_t>(std::stoul(argv[1]));
    xvsock::guest::server_name = argv[2];
    return xvsock::guest::run_tests();
}
