# SPDX-License-Identifier: MIT
# Units of tests/conformance/.
add_executable(unit_conformance conformance_output.cpp conformance_results.cpp conformance_table.cpp)
target_link_libraries(unit_conformance PRIVATE conformance GTest::gtest_main)
gtest_discover_tests(unit_conformance)
