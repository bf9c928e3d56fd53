# SPDX-License-Identifier: MIT
# Units of testbed/.
if(TARGET testbed_host)
  add_executable(testbed_unit
    testbed_argo_xen.cpp testbed_cache.cpp testbed_child_process.cpp testbed_console_scan.cpp testbed_cpio.cpp testbed_debug_kernel.cpp
    testbed_frames.cpp testbed_scenario.cpp testbed_suites.cpp)
  target_link_libraries(testbed_unit PRIVATE testbed_host GTest::gtest_main)
  gtest_discover_tests(testbed_unit)
endif()
