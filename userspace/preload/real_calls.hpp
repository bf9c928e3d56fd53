// SPDX-License-Identifier: MIT
/// The C library's own functions, below the ones that this library puts in their place: real::connect()(…).
#pragma once

#include <atomic>
#include <cstdio>

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace xvsock::preload::real {

// Looked up at the first call: other libraries' constructors may run before ours. Without a guard, which a
// thread that fork() does not copy could hold; to look twice does no harm.
#define XVSOCK_REAL_CALL(name)                                                                               \
    inline auto name() {                                                                                     \
        static constinit std::atomic<void*> found = nullptr;                                                 \
        void* call = found.load(std::memory_order_relaxed);                                                  \
        if (call == nullptr) {                                                                               \
            call = ::dlsym(RTLD_NEXT, #name);                                                                \
            found.store(call, std::memory_order_relaxed);                                                    \
        }                                                                                                    \
        return reinterpret_cast<decltype(&::name)>(call);                                                    \
    }
XVSOCK_REAL_CALL(socket)
XVSOCK_REAL_CALL(bind)
XVSOCK_REAL_CALL(connect)
XVSOCK_REAL_CALL(listen)
XVSOCK_REAL_CALL(accept4)
XVSOCK_REAL_CALL(getsockname)
XVSOCK_REAL_CALL(getpeername)
XVSOCK_REAL_CALL(getsockopt)
XVSOCK_REAL_CALL(setsockopt)
XVSOCK_REAL_CALL(shutdown)
XVSOCK_REAL_CALL(close)
XVSOCK_REAL_CALL(close_range)
XVSOCK_REAL_CALL(dup)
XVSOCK_REAL_CALL(dup2)
XVSOCK_REAL_CALL(dup3)
XVSOCK_REAL_CALL(fcntl)
XVSOCK_REAL_CALL(ioctl)
XVSOCK_REAL_CALL(epoll_ctl)
XVSOCK_REAL_CALL(fclose)
XVSOCK_REAL_CALL(fstat)
XVSOCK_REAL_CALL(fstat64)
XVSOCK_REAL_CALL(read)
XVSOCK_REAL_CALL(readv)
XVSOCK_REAL_CALL(recv)
XVSOCK_REAL_CALL(recvfrom)
XVSOCK_REAL_CALL(recvmsg)
XVSOCK_REAL_CALL(recvmmsg)
XVSOCK_REAL_CALL(write)
XVSOCK_REAL_CALL(writev)
XVSOCK_REAL_CALL(send)
XVSOCK_REAL_CALL(sendto)
XVSOCK_REAL_CALL(sendmsg)
XVSOCK_REAL_CALL(sendmmsg)
XVSOCK_REAL_CALL(splice)
XVSOCK_REAL_CALL(sendfile)
XVSOCK_REAL_CALL(sendfile64)
XVSOCK_REAL_CALL(getaddrinfo)
XVSOCK_REAL_CALL(getnameinfo)
XVSOCK_REAL_CALL(gethostbyname)
XVSOCK_REAL_CALL(gethostbyname2)
XVSOCK_REAL_CALL(gethostbyname_r)
XVSOCK_REAL_CALL(gethostbyname2_r)
XVSOCK_REAL_CALL(gethostbyaddr)
XVSOCK_REAL_CALL(gethostbyaddr_r)
XVSOCK_REAL_CALL(execve)
XVSOCK_REAL_CALL(execveat)
XVSOCK_REAL_CALL(fexecve)
XVSOCK_REAL_CALL(execvpe)
XVSOCK_REAL_CALL(posix_spawn)
XVSOCK_REAL_CALL(posix_spawnp)
#undef XVSOCK_REAL_CALL

} // namespace xvsock::preload::real
