// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <gtest/gtest.h>

namespace xvsock::guest {

/// A program's exit status. A filter that leaves no test is an error, not a success.
inline int run_tests() {
    const int status = RUN_ALL_TESTS();
    if (testing::UnitTest::GetInstance()->test_to_run_count() == 0) {
        std::fprintf(stderr, "the filter leaves no test\n");
        return 2;
    }
    return status;
}

} // namespace xvsock::guest
