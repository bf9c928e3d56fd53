// SPDX-License-Identifier: MIT
// Programs that are executed: they are told of the sockets that they inherit.
#include "inherit.hpp"
#include "real_calls.hpp"

#include <cstdarg>

using namespace xvsock::preload;

namespace {

/// The arguments of execl() and its like, up to the null pointer.
std::vector<char*> collect(const char* first, va_list& arguments) {
    std::vector<char*> all;
    for (const char* one = first; one != nullptr; one = va_arg(arguments, const char*))
        all.push_back(const_cast<char*>(one));
    all.push_back(nullptr);
    return all;
}

int execute(const char* path, char* const* arguments, char* const* environment) {
    const inherited_environment with_sockets(environment, true);
    return real::execve()(path, arguments, with_sockets.get());
}

int execute_found(const char* file, char* const* arguments, char* const* environment) {
    const inherited_environment with_sockets(environment, true);
    return real::execvpe()(file, arguments, with_sockets.get());
}

} // namespace

extern "C" {

int execve(const char* path, char* const arguments[], char* const environment[]) noexcept {
    return execute(path, arguments, environment);
}

int execv(const char* path, char* const arguments[]) noexcept {
    return execute(path, arguments, environ);
}

int execvp(const char* file, char* const arguments[]) noexcept {
    return execute_found(file, arguments, environ);
}

int execvpe(const char* file, char* const arguments[], char* const environment[]) noexcept {
    return execute_found(file, arguments, environment);
}

// NOLINTBEGIN(cert-dcl50-cpp): C's
int execl(const char* path, const char* first, ...) noexcept {
    va_list arguments;
    va_start(arguments, first);
    const auto all = collect(first, arguments);
    va_end(arguments);
    return execute(path, all.data(), environ);
}

int execlp(const char* file, const char* first, ...) noexcept {
    va_list arguments;
    va_start(arguments, first);
    const auto all = collect(first, arguments);
    va_end(arguments);
    return execute_found(file, all.data(), environ);
}

int execle(const char* path, const char* first, ...) noexcept {
    va_list arguments;
    va_start(arguments, first);
    const auto all = collect(first, arguments);
    auto* const environment = va_arg(arguments, char* const*);
    va_end(arguments);
    return execute(path, all.data(), environment);
}
// NOLINTEND(cert-dcl50-cpp)

// In the parent's place it cannot be said which of its listeners stay open: these serve TCP no more, then.
int posix_spawn(pid_t* process, const char* path, const posix_spawn_file_actions_t* actions,
                const posix_spawnattr_t* attributes, char* const arguments[], char* const environment[]) {
    const inherited_environment with_sockets(environment, false);
    return real::posix_spawn()(process, path, actions, attributes, arguments, with_sockets.get());
}

int posix_spawnp(pid_t* process, const char* file, const posix_spawn_file_actions_t* actions,
                 const posix_spawnattr_t* attributes, char* const arguments[], char* const environment[]) {
    const inherited_environment with_sockets(environment, false);
    return real::posix_spawnp()(process, file, actions, attributes, arguments, with_sockets.get());
}

} // extern "C"
