// SPDX-License-Identifier: MIT
// Which versions of Xen's source the archive's index names.
#include "host/argo_xen.hpp"

#include <gtest/gtest.h>

namespace xvsock::testbed {

namespace {

TEST(testbed_argo_xen, versions_come_newest_first_and_once) {
    constexpr auto records = R"(Package: xen
Version: 4.17.5+72-g01140da4e8-1
Standards-Version: 4.1.4

Package: xen
Version: 4.17.7+13-g2445b30a44-0+deb12u1

Package: xen
Version: 4.17.5+72-g01140da4e8-1
)";
    EXPECT_EQ(source_versions(records),
              (std::vector<std::string>{"4.17.7+13-g2445b30a44-0+deb12u1", "4.17.5+72-g01140da4e8-1"}));
    EXPECT_TRUE(source_versions("").empty());
}

} // namespace

} // namespace xvsock::testbed
