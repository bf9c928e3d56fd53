// SPDX-License-Identifier: MIT
// Programs that are executed, in every way, with connected sockets and listeners.
#include "arguments.hpp"
#include "run_test.hpp"

#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <sys/time.h>

namespace xvsock::guest {
namespace {

using RunExec = Run;
XVSOCK_BOTH_WAYS(RunExec);

constexpr const char* variable_name = "RUN_TEST_VARIABLE";

struct exec_call {
    const char* name;
    bool has_environment;
    int (*call)(strings arguments, strings environment);
};

const exec_call exec_calls[] = {
    {"execv", false, [](strings arguments, strings) { return ::execv(self, arguments); }},
    {"execve", true,
     [](strings arguments, strings environment) { return ::execve(self, arguments, environment); }},
    {"execvp", false, [](strings arguments, strings) { return ::execvp("run-test", arguments); }},
    {"execvpe", true,
     [](strings arguments, strings environment) { return ::execvpe("run-test", arguments, environment); }},
    {"execl", false,
     [](strings with, strings) { return ::execl(self, with[0], with[1], with[2], with[3], nullptr); }},
    {"execlp", false,
     [](strings with, strings) { return ::execlp("run-test", with[0], with[1], with[2], with[3], nullptr); }},
    {"execle", true,
     [](strings with, strings environment) {
         return ::execle(self, with[0], with[1], with[2], with[3], with[4], nullptr, environment);
     }},
    {"fexecve", true,
     [](strings arguments, strings environment) {
         return ::fexecve(::open(self, O_RDONLY | O_CLOEXEC), arguments, environment);
     }},
    {"execveat", true,
     [](strings arguments, strings environment) {
         return ::execveat(AT_FDCWD, self, arguments, environment, 0);
     }},
};

TEST_P(RunExec, EveryCallKeepsAConnection) {
    const auto socket = connected(GetParam(), run_echo);
    ASSERT_EQ(::fcntl(socket.get(), F_SETFD, 0), 0);
    const auto number = std::to_string(socket.get());
    // Nothing of what the library needs is in it.
    const words environment{std::string(variable_name) + "=1"};
    for (const auto& one : exec_calls) {
        const words plain{"run-test", "inherited", number, address_of(GetParam())};
        const words with{"run-test", "inherited", number, address_of(GetParam()), variable_name};
        const pid_t child = ::fork();
        if (child == 0) {
            one.call(one.has_environment ? with.get() : plain.get(), environment.get());
            ::_exit(9);
        }
        EXPECT_EQ(wait_for(child), 0) << one.name;
    }
    must_echo(socket.get());
}

TEST_P(RunExec, WhatCannotBeExecutedLeavesEverything) {
    const auto listener = listening(5120);
    ASSERT_EQ(::fcntl(listener.get(), F_SETFD, 0), 0);
    const words arguments{"nothing"};
    EXPECT_EQ(::execve("/no/such/program", arguments.get(), nullptr), -1);
    EXPECT_EQ(errno, ENOENT);
    EXPECT_EQ(::execvp("no-such-program", arguments.get()), -1);
    EXPECT_EQ(errno, ENOENT);
    EXPECT_EQ(::fexecve(-1, arguments.get(), environ), -1);
    EXPECT_EQ(errno, EINVAL);
    pid_t child = -1;
    EXPECT_EQ(::posix_spawn(&child, "/no/such/program", nullptr, nullptr, arguments.get(), environ), ENOENT);
    be_visited(GetParam(), 5120);
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
}

/// Nothing but what the test has left open would be open in a program.
void nothing_else_stays_open(const descriptor& known) {
    for (int number = 3; number < 1024; ++number)
        if (number != known.get()) {
            EXPECT_NE(::fcntl(number, F_GETFD), 0) << number;
        }
}

/// The status of this program, executed so in a child.
int executed(const words& arguments) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::execv(self, arguments.get());
        ::_exit(9);
    }
    return wait_for(child);
}

TEST_P(RunExec, AListenerHasTwoDescriptors) {
    const auto listener = listening(5121);
    const descriptor copy(::dup(listener.get()));
    ASSERT_EQ(::fcntl(listener.get(), F_SETFD, 0), 0);
    be_visited(GetParam(), 5121);
    be_visited(GetParam(), 5121);
    const words arguments{"run-test", "accepts", std::to_string(listener.get()), std::to_string(copy.get())};
    EXPECT_EQ(executed(arguments), 0);
}

/// What the library keeps open has had to go to other numbers before.
TEST_P(RunExec, AListenerThatGaveWay) {
    const auto listener = listening(5125);
    const descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (int number = 490; number < 520; ++number) {
        ASSERT_EQ(::dup2(null.get(), number), number);
        ASSERT_EQ(::close(number), 0);
    }
    ASSERT_EQ(::fcntl(listener.get(), F_SETFD, 0), 0);
    be_visited(GetParam(), 5125);
    const words arguments{"run-test", "accepts", std::to_string(listener.get())};
    EXPECT_EQ(executed(arguments), 0);
}

/// Signals come all the time, and their handler closes sockets, while the process forks.
TEST_P(RunExec, SignalsWhileItForks) {
    static int spare = -1;
    struct sigaction action {};
    struct sigaction before {};
    action.sa_handler = [](int) { ::close(spare); };
    action.sa_flags = SA_RESTART;
    ASSERT_EQ(::sigaction(SIGALRM, &action, &before), 0);
    const itimerval often{{0, 300}, {0, 300}};
    ASSERT_EQ(::setitimer(ITIMER_REAL, &often, nullptr), 0);
    for (int i = 0; i < 100; ++i) {
        spare = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const pid_t child = ::fork();
        if (child == 0)
            ::_exit(0);
        EXPECT_EQ(wait_for(child), 0);
    }
    const itimerval never{};
    ::setitimer(ITIMER_REAL, &never, nullptr);
    ::sigaction(SIGALRM, &before, nullptr);
}

TEST_P(RunExec, SpawnedWithAConnection) {
    const auto socket = connected(GetParam(), run_echo);
    const words environment{std::string(variable_name) + "=1"};
    posix_spawn_file_actions_t actions;
    ASSERT_EQ(::posix_spawn_file_actions_init(&actions), 0);
    ASSERT_EQ(::posix_spawn_file_actions_adddup2(&actions, socket.get(), 77), 0);
    const words arguments{"run-test", "inherited", "77", address_of(GetParam()), variable_name};
    pid_t child = -1;
    ASSERT_EQ(::posix_spawn(&child, self, &actions, nullptr, arguments.get(), environment.get()), 0);
    EXPECT_EQ(wait_for(child), 0);
    ASSERT_EQ(::posix_spawnp(&child, "run-test", &actions, nullptr, arguments.get(), environment.get()), 0);
    EXPECT_EQ(wait_for(child), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    nothing_else_stays_open(descriptor());
}

TEST_P(RunExec, SpawnedWithAListener) {
    const auto listener = listening(5122);
    const auto other = listening(5123);
    pid_t child = -1;
    // Under another number, and closed here.
    posix_spawn_file_actions_t actions;
    ASSERT_EQ(::posix_spawn_file_actions_init(&actions), 0);
    ASSERT_EQ(::posix_spawn_file_actions_adddup2(&actions, listener.get(), 3), 0);
    const words moved{"run-test", "accepts", "3"};
    be_visited(GetParam(), 5122);
    ASSERT_EQ(::posix_spawn(&child, self, &actions, nullptr, moved.get(), environ), 0);
    EXPECT_EQ(wait_for(child), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    nothing_else_stays_open(descriptor());
    // As it is, and open here.
    ASSERT_EQ(::fcntl(listener.get(), F_SETFD, 0), 0);
    const words same{"run-test", "accepts", std::to_string(listener.get())};
    be_visited(GetParam(), 5122);
    ASSERT_EQ(::posix_spawnp(&child, "run-test", nullptr, nullptr, same.get(), environ), 0);
    EXPECT_EQ(wait_for(child), 0);
    nothing_else_stays_open(listener);
    for (const std::uint16_t port : {5122, 5123}) {
        be_visited(GetParam(), port);
        must_be_hello(descriptor(::accept((port == 5122 ? listener : other).get(), nullptr, nullptr)));
    }
}

/// A child with our memory, and descriptors of its own.
TEST_P(RunExec, AfterVfork) {
    const auto listener = listening(5124);
    const words arguments{"run-test", "accepts", "77"};
    be_visited(GetParam(), 5124);
    const pid_t child = ::vfork();
    if (child == 0) {
        ::dup2(listener.get(), 77);
        ::execv(self, arguments.get());
        ::_exit(9);
    }
    EXPECT_EQ(wait_for(child), 0);
    nothing_else_stays_open(descriptor());
    be_visited(GetParam(), 5124);
    must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
}

/// By the C library itself, of which nothing is hooked.
TEST_P(RunExec, ByAShell) {
    const auto socket = connected(GetParam(), run_echo);
    ASSERT_EQ(::fcntl(socket.get(), F_SETFD, 0), 0);
    const auto command = "run-test inherited " + std::to_string(socket.get()) + " " + address_of(GetParam());
    EXPECT_EQ(std::system(command.c_str()), 0);
}

} // namespace
} // namespace xvsock::guest
