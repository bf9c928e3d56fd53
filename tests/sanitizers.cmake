# SPDX-License-Identifier: MIT
# Programs of userspace/ under sanitizers, in a build that is not sanitized as a whole: each of `address` (with
# `undefined`) and `thread` has a library of the sources that are not in headers.
set(xvsock_sanitizers address thread)
# What `null`, `alignment` and `vptr` check at each access AddressSanitizer sees when it goes wrong, and they would
# make the programs three times as large.
set(xvsock_sanitizers_of_address -fsanitize=address,undefined -fno-sanitize=null,alignment,vptr
    --param=asan-instrumentation-with-call-threshold=0)
set(xvsock_sanitizers_of_thread -fsanitize=thread -Wno-tsan) # of fences

# The domains have no sanitizer's libraries.
set(xvsock_static_sanitizers_of_address -static-libasan -static-libubsan)
set(xvsock_static_sanitizers_of_thread -static-libtsan)

function(xvsock_sanitize target sanitizer)
  # Optimizing sanitized coroutines takes the compiler most of a minute, and makes it warn of what is not there.
  target_compile_options(${target} PRIVATE ${xvsock_sanitizers_of_${sanitizer}} -O0 -g1 -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  # ThreadSanitizer does not know fences, and Asio does not need them between its own threads.
  target_compile_definitions(${target} PRIVATE BOOST_ASIO_DISABLE_FENCED_BLOCK)
  target_link_options(${target} PRIVATE ${xvsock_sanitizers_of_${sanitizer}}
                      ${xvsock_static_sanitizers_of_${sanitizer}})
  set_target_properties(${target} PROPERTIES EXPORT_COMPILE_COMMANDS OFF)
endfunction()

# The domains have no libxenvchan either; and a test's fakes take the place of what is below it.
find_library(xenvchan_static libxenvchan.a REQUIRED)
set(below_xenvchan_static)
foreach(name xengnttab xenevtchn xentoollog xentoolcore)
  find_library(${name}_static lib${name}.a REQUIRED)
  list(APPEND below_xenvchan_static ${${name}_static})
endforeach()

set(userspace ${PROJECT_SOURCE_DIR}/userspace)
foreach(sanitizer ${xvsock_sanitizers})
  add_library(xvsock_userspace_${sanitizer} STATIC EXCLUDE_FROM_ALL ${userspace}/xenstore/client.cpp
    ${userspace}/xenstore/connection.cpp ${userspace}/xenstore/view.cpp ${userspace}/xenstore/watch.cpp
    ${userspace}/resolver/resolver.cpp ${userspace}/vchan/open_vchan.cpp ${userspace}/vchan/session.cpp)
  target_link_libraries(xvsock_userspace_${sanitizer} PUBLIC xvsock_asio ${XENSTORE_LIBRARY} fmt::fmt-header-only)
  xvsock_sanitize(xvsock_userspace_${sanitizer} ${sanitizer})
endforeach()
