# SPDX-License-Identifier: MIT
# Units of tests/programs/ and tests/common/.
add_executable(unit_programs programs_table.cpp)
target_link_libraries(unit_programs PRIVATE programs GTest::gtest_main)
gtest_discover_tests(unit_programs)
