// SPDX-License-Identifier: MIT
// The two processes that bytes are moved between: this one, and a child of it that is its peer.
#pragma once

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <system_error>

#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace xvsock::bench {

enum class side { parent, child };

[[noreturn]] inline void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

/// Each side has a processor of its own, as two domains have: the first and the second of those that this
/// program may use.
inline void settle(side which) {
    static const cpu_set_t allowed = [] {
        cpu_set_t found;
        if (::sched_getaffinity(0, sizeof(found), &found) != 0)
            fail("sched_getaffinity");
        if (CPU_COUNT(&found) < 2)
            throw std::runtime_error("two processors are needed, one for each side");
        return found;
    }();
    cpu_set_t one;
    CPU_ZERO(&one);
    int skip = which == side::parent ? 0 : 1;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &allowed) && skip-- == 0)
            CPU_SET(cpu, &one);
    }
    if (::sched_setaffinity(0, sizeof(one), &one) != 0)
        fail("sched_setaffinity");
}

/// Runs `body`, which need not end, in a child process for as long as this object lives.
class peer_process {
public:
    template <class Body> explicit peer_process(Body body) {
        std::fflush(nullptr);
        pid_ = ::fork();
        if (pid_ < 0)
            fail("fork");
        if (pid_ > 0)
            return;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        try {
            body();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "xvsock-ring-bench, the peer: %s\n", error.what());
        }
        // Whoever waits for this side would wait for ever.
        ::kill(::getppid(), SIGTERM);
        ::_exit(1);
    }
    peer_process(const peer_process&) = delete;
    peer_process& operator=(const peer_process&) = delete;
    peer_process(peer_process&&) = delete;
    peer_process& operator=(peer_process&&) = delete;
    ~peer_process() {
        ::kill(pid_, SIGKILL);
        while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
        }
    }

    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    pid_t pid_;
};

} // namespace xvsock::bench
