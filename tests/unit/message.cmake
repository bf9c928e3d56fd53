# SPDX-License-Identifier: MIT
# The units of message.h and ports.h, the headers of vsock_transport that userspace can compile.
function(add_message_units target prefix)
  add_executable(${target} message_freestanding.c message_judge.cpp message_take.cpp accept_ports.cpp)
  target_link_libraries(${target} PRIVATE vchan GTest::gtest_main)
  set_target_properties(${target} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C>:-ffreestanding -Wpedantic>)
  if(ARGN)
    target_compile_options(${target} PRIVATE ${ARGN} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(${target} PRIVATE ${ARGN})
    set_target_properties(${target} PROPERTIES EXPORT_COMPILE_COMMANDS OFF) # tools need each source once
  endif()
  gtest_discover_tests(${target} TEST_PREFIX "${prefix}" PROPERTIES TIMEOUT 60)
endfunction()

add_message_units(unit_message "")
if(NOT XVSOCK_SANITIZE)
  add_message_units(unit_message_asan asan. -fsanitize=address,undefined)
endif()
