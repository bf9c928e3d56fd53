// SPDX-License-Identifier: MIT
// AF_VSOCK with a domain that does not run the module, in a domain whose environment is that of a scenario's
// script.
#include "run_tests.hpp"

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    if (argc != 1) {
        std::fprintf(stderr, "usage: plain-test [--gtest_…]\n");
        return 2;
    }
    return xvsock::guest::run_tests();
}
