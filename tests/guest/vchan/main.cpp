// SPDX-License-Identifier: MIT
// vchan_stream as a program sees it, in a domain whose environment is that of a scenario's script.
#include "run_tests.hpp"

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    if (argc != 1) {
        std::fprintf(stderr, "usage: vchan-test [--gtest_…]\n");
        return 2;
    }
    return xvsock::guest::run_tests();
}
