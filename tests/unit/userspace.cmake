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
set(peer_program ${PROJECT_SOURCE_DIR}/xenstore-setup/xvsock_peer.cpp)
add_executable(unit_peer peer_domains.cpp peer_fake_xenstore.cpp peer_link.cpp peer_plain.cpp peer_program.cpp peer_settings.cpp
               ${peer_program})
set_source_files_properties(${peer_program} PROPERTIES COMPILE_DEFINITIONS "main=xvsock_peer_main;XVSOCK_VERSION=\"unit\"")
target_link_libraries(unit_peer PRIVATE xvsock_peer_link xvsock_common Boost::json Boost::program_options GTest::gtest_main)
gtest_discover_tests(unit_peer TEST_PREFIX peer. PROPERTIES TIMEOUT 60)

# The xenstore client has a thread of its own, and so has a vchan_stream.
if(XVSOCK_SANITIZE) # a build that is sanitized as a whole cannot mix them
  target_sources(unit_peer PRIVATE peer_store.cpp)
else()
  foreach(sanitizer ${xvsock_sanitizers})
    add_executable(unit_xenstore_${sanitizer} peer_fake_xenstore.cpp peer_store.cpp)
    target_link_libraries(unit_xenstore_${sanitizer} PRIVATE xvsock_userspace_${sanitizer} GTest::gtest_main)
    xvsock_sanitize(unit_xenstore_${sanitizer} ${sanitizer})
    gtest_discover_tests(unit_xenstore_${sanitizer} TEST_PREFIX ${sanitizer}. PROPERTIES TIMEOUT 120)

    # The library's own code, over fakes of the libraries below it.
    add_executable(unit_vchan_asio_${sanitizer} peer_fake_xenstore.cpp vchan_asio.cpp vchan_fake_xen.cpp)
    target_link_libraries(unit_vchan_asio_${sanitizer} PRIVATE xvsock_userspace_${sanitizer} ${xenvchan_static}
                          GTest::gtest_main)
    xvsock_sanitize(unit_vchan_asio_${sanitizer} ${sanitizer})
    gtest_discover_tests(unit_vchan_asio_${sanitizer} TEST_PREFIX ${sanitizer}. PROPERTIES TIMEOUT 120)
  endforeach()
endif()

# xvsock run, outside of programs.
add_executable(unit_run run_map.cpp run_program.cpp ${PROJECT_SOURCE_DIR}/userspace/preload/address_map.cpp)
target_include_directories(unit_run PRIVATE ${PROJECT_SOURCE_DIR}/userspace/preload)
target_link_libraries(unit_run PRIVATE xvsock_run GTest::gtest_main)
gtest_discover_tests(unit_run TEST_PREFIX run. PROPERTIES TIMEOUT 60)

add_executable(unit_forward forward_relay.cpp)
target_link_libraries(unit_forward PRIVATE xvsock_forward GTest::gtest_main)
gtest_discover_tests(unit_forward TEST_PREFIX forward. PROPERTIES TIMEOUT 60)

# The end of a stream as a person writes it, and `xvsock cat` between two of them.
add_executable(unit_sockets cat_pump.cpp sockets_place.cpp)
target_link_libraries(unit_sockets PRIVATE xvsock_cat xvsock_sockets GTest::gtest_main)
gtest_discover_tests(unit_sockets TEST_PREFIX sockets. PROPERTIES TIMEOUT 60)

add_executable(unit_peers peer_fake_xenstore.cpp peers_list.cpp ping_statistics.cpp)
target_link_libraries(unit_peers PRIVATE xvsock_peers xvsock_ping GTest::gtest_main)
gtest_discover_tests(unit_peers TEST_PREFIX peers. PROPERTIES TIMEOUT 60)

add_executable(unit_transfer transfer_files.cpp transfer_progress.cpp transfer_protocol.cpp transfer_server.cpp
               transfer_session.cpp)
target_link_libraries(unit_transfer PRIVATE xvsock_transfer GTest::gtest_main)
gtest_discover_tests(unit_transfer TEST_PREFIX transfer. PROPERTIES TIMEOUT 120)

add_executable(unit_tool tool_command_line.cpp ${PROJECT_SOURCE_DIR}/userspace/tools/command_line.cpp)
target_link_libraries(unit_tool PRIVATE xvsock_perf Boost::program_options GTest::gtest_main)
gtest_discover_tests(unit_tool TEST_PREFIX tool. PROPERTIES TIMEOUT 60)

# What a shell completes.
add_test(NAME completion.bash COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/completion.sh
  ${PROJECT_SOURCE_DIR}/userspace/completion/xvsock.bash $<TARGET_FILE:xvsock> $<TARGET_FILE:xvsock-peer>)
set_tests_properties(completion.bash PROPERTIES TIMEOUT 60)
