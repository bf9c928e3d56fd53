// SPDX-License-Identifier: MIT
// The Asio layer as a program sees it; vsock-services runs in the domain with the CID and name given:
//   vsock-asio-test CID NAME [--gtest_filter=…]
#include <cstdio>
#include <gtest/gtest.h>
#include <string>

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
    const int status = RUN_ALL_TESTS();
    if (testing::UnitTest::GetInstance()->test_to_run_count() == 0) {
        std::fprintf(stderr, "the filter leaves no test\n");
        return 2;
    }
    return status;
}
