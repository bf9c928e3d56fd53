# SPDX-License-Identifier: MIT
# The units of xvsockd.
add_executable(unit_policy policy_file.cpp policy_judge.cpp policy_ports.cpp)
target_compile_definitions(unit_policy PRIVATE POLICY_EXAMPLE="${PROJECT_SOURCE_DIR}/xenstore-setup/policy.example")
target_link_libraries(unit_policy PRIVATE xvsock_policy vchan GTest::gtest_main)
gtest_discover_tests(unit_policy TEST_PREFIX policy. PROPERTIES TIMEOUT 60)

add_executable(unit_cids cid_table.cpp)
target_link_libraries(unit_cids PRIVATE xvsock_cids GTest::gtest_main)
gtest_discover_tests(unit_cids TEST_PREFIX cids. PROPERTIES TIMEOUT 60)

add_executable(unit_daemon daemon_identity.cpp daemon_reconcile.cpp peer_fake_xenstore.cpp)
target_link_libraries(unit_daemon PRIVATE xvsock_daemon GTest::gtest_main)
gtest_discover_tests(unit_daemon TEST_PREFIX daemon. PROPERTIES TIMEOUT 60)
