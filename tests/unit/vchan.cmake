# SPDX-License-Identifier: MIT
# The units of vchan/, three times over: as they are, under ThreadSanitizer, and under AddressSanitizer with
# UndefinedBehaviorSanitizer. All three run with a plain ctest.

# add_vchan_units(TARGET [SANITIZE sanitizers] [PREFIX prefix of the tests' names] [FILTER GoogleTest filter])
function(add_vchan_units target)
  cmake_parse_arguments(arg "" "SANITIZE;PREFIX;FILTER" "" ${ARGN})
  add_executable(${target}
    vchan_freestanding.c
    vchan_handshake.cpp
    vchan_layout.cpp
    vchan_notify.cpp
    vchan_ring.cpp
    vchan_stream.cpp
  )
  target_link_libraries(${target} PRIVATE vchan GTest::gtest_main)
  set_target_properties(${target} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C>:-ffreestanding -Wpedantic>)
  # Unoptimised, the GiBs take minutes, and the two sides seldom meet within nanoseconds.
  target_compile_options(${target} PRIVATE -O2 -g)
  if(arg_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${arg_SANITIZE} -fno-omit-frame-pointer
                                             -fno-sanitize-recover=all)
    target_link_options(${target} PRIVATE -fsanitize=${arg_SANITIZE})
    set_target_properties(${target} PROPERTIES EXPORT_COMPILE_COMMANDS OFF) # tools need each source once
  endif()
  # The watchdog ends a test that hangs; the time limit is for one that cannot even do that.
  gtest_discover_tests(${target} TEST_PREFIX "${arg_PREFIX}" TEST_FILTER "${arg_FILTER}"
                       DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300 PROCESSORS 2)
endfunction()

add_vchan_units(unit_vchan)
if(NOT XVSOCK_SANITIZE) # a build that is sanitized as a whole cannot mix them
  # what runs in one thread only has nothing to show to ThreadSanitizer
  add_vchan_units(unit_vchan_tsan SANITIZE thread PREFIX tsan.
                  FILTER "vchan_handshake.*:vchan_stream.*:*/vchan_stream_order.*:vchan_notify.*")
  add_vchan_units(unit_vchan_asan SANITIZE address,undefined PREFIX asan.)
endif()
