# SPDX-License-Identifier: MIT
# Targets: xvsock::asio (headers), xvsock::xenstore and xvsock::resolver (static libraries, with libxenstore),
# xvsock::vchan (another, with libxenvchan).
include(CMakeFindDependencyMacro)
find_dependency(Boost 1.81)
find_dependency(Threads)
include(${CMAKE_CURRENT_LIST_DIR}/xvsockTargets.cmake)
