# SPDX-License-Identifier: MIT
# Units of bench/.
add_executable(unit_bench bench_np_out.cpp bench_part.cpp bench_registers.cpp bench_results.cpp)
target_link_libraries(unit_bench PRIVATE xvsock_compare GTest::gtest_main)
gtest_discover_tests(unit_bench TEST_PREFIX bench. PROPERTIES TIMEOUT 60)
