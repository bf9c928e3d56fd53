# SPDX-License-Identifier: MIT
# Programs of userspace/ under sanitizers, in a build that is not sanitized as a whole: each of `address` (with
# `undefined`) and `thread` has a library of the sources that are not in headers.
set(xvsock_sanitizers address thread)
set(xvsock_sanitizers_of_address -fsanitize=address,undefined)
set(xvsock_sanitizers_of_thread -fsanitize=thread -Wno-tsan) # of fences

# The domains have no sanitizer's libraries.
set(xvsock_static_sanitizers_of_address -static-libasan -static-libubsan)
set(xvsock_static_sanitizers_of_thread -static-libtsan)

function(xvsock_sanitize target sanitizer)
  target_compile_options(${target} PRIVATE ${xvsock_sanitizers_of_${sanitizer}} -O1 -g1 -fno-omit-frame-pointer
                         -fno-sanitize-recover=all -Wno-maybe-uninitialized) # which sees what is not there
  # ThreadSanitizer does not know fences, and Asio does not need them between its own threads.
  target_compile_definitions(${target} PRIVATE BOOST_ASIO_DISABLE_FENCED_BLOCK)
  target_link_options(${target} PRIVATE ${xvsock_sanitizers_of_${sanitizer}}
                      ${xvsock_static_sanitizers_of_${sanitizer}})
  set_target_properties(${target} PROPERTIES EXPORT_COMPILE_COMMANDS OFF)
endfunction()

set(userspace ${PROJECT_SOURCE_DIR}/userspace)
foreach(sanitizer ${xvsock_sanitizers})
  add_library(xvsock_userspace_${sanitizer} STATIC EXCLUDE_FROM_ALL ${userspace}/xenstore/client.cpp
    ${userspace}/xenstore/connection.cpp ${userspace}/xenstore/view.cpp ${userspace}/xenstore/watch.cpp
    ${userspace}/resolver/resolver.cpp)
  target_link_libraries(xvsock_userspace_${sanitizer} PUBLIC xvsock_asio ${XENSTORE_LIBRARY} fmt::fmt-header-only)
  xvsock_sanitize(xvsock_userspace_${sanitizer} ${sanitizer})
endforeach()
