# SPDX-License-Identifier: MIT
# The units of userspace/ and xenstore-setup/.
add_executable(unit_perf
  perf_address.cpp
  perf_comparison.cpp
  perf_corruption.cpp
  perf_protocol.cpp
  perf_quantity.cpp
  perf_records.cpp
  perf_session.cpp
  perf_statistics.cpp
)
target_link_libraries(unit_perf PRIVATE xvsock_perf GTest::gtest_main)
gtest_discover_tests(unit_perf TEST_PREFIX perf. PROPERTIES TIMEOUT 120)

add_executable(unit_stat stat_counters.cpp stat_display.cpp)
target_link_libraries(unit_stat PRIVATE xvsock_stat GTest::gtest_main)
gtest_discover_tests(unit_stat TEST_PREFIX stat. PROPERTIES TIMEOUT 60)

# The fake defines libxenstore's functions, and the linker takes a program's own before a library's.
add_executable(unit_peer peer_domains.cpp peer_fake_xenstore.cpp peer_link.cpp peer_store.cpp)
target_link_libraries(unit_peer PRIVATE xvsock_peer_link GTest::gtest_main)
gtest_discover_tests(unit_peer TEST_PREFIX peer. PROPERTIES TIMEOUT 60)
