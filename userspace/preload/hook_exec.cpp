// SPDX-License-Identifier: MIT
// Programs that are executed: they are told of the sockets that they inherit.
#include "inherit.hpp"
#include "real_calls.hpp"

#include <cstdarg>
#include <optional>

using namespace xvsock::preload;

namespace {

// A child of vfork() is gone with exec(), and what it has allocated is left to the parent: these are used
// again.

/// The arguments of execl() and its like, up to the null pointer.
char* const* collect(const char* first, va_list& arguments) {
    static thread_local std::vector<char*> all;
    all.clear();
    for (const char* one = first; one != nullptr; one = va_arg(arguments, const char*))
        all.push_back(const_cast<char*>(one));
    all.push_back(nullptr);
    return all.data();
}

template <typename Call> int with_sockets(char* const* environment, Call execute) {
    static thread_local std::optional<inherited_environment> told;
    told.emplace(environment, beginning::exec);
    const int result = execute(told->get());
    told.reset();
    return result;
}

int execute(const char* path, char* const* arguments, char* const* environment) {
    return with_sockets(environment, [&](auto* told) { return real::execve()(path, arguments, told); });
}

int execute_found(const char* file, char* const* arguments, char* const* environment) {
    return with_sockets(environment, [&](auto* told) { return real::execvpe()(file, arguments, told); });
}

beginning spawning(const posix_spawn_file_actions_t* actions) {
    return actions == nullptr ? beginning::spawn : beginning::spawn_actions;
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
    auto* const all = collect(first, arguments);
    va_end(arguments);
    return execute(path, all, environ);
}

int execlp(const char* file, const char* first, ...) noexcept {
    va_list arguments;
    va_start(arguments, first);
    auto* const all = collect(first, arguments);
    va_end(arguments);
    return execute_found(file, all, environ);
}

int execle(const char* path, const char* first, ...) noexcept {
    va_list arguments;
    va_start(arguments, first);
    auto* const all = collect(first, arguments);
    auto* const environment = va_arg(arguments, char* const*);
    va_end(arguments);
    return execute(path, all, environment);
}
// NOLINTEND(cert-dcl50-cpp)

int fexecve(int file, char* const arguments[], char* const environment[]) noexcept {
    return with_sockets(environment, [&](auto* told) { return real::fexecve()(file, arguments, told); });
}

int execveat(int folder, const char* path, char* const arguments[], char* const environment[],
             int flags) noexcept {
    return with_sockets(environment,
                        [&](auto* told) { return real::execveat()(folder, path, arguments, told, flags); });
}

int posix_spawn(pid_t* process, const char* path, const posix_spawn_file_actions_t* actions,
                const posix_spawnattr_t* attributes, char* const arguments[], char* const environment[]) {
    const inherited_environment told(environment, spawning(actions));
    return real::posix_spawn()(process, path, actions, attributes, arguments, told.get());
}

int posix_spawnp(pid_t* process, const char* file, const posix_spawn_file_actions_t* actions,
                 const posix_spawnattr_t* attributes, char* const arguments[], char* const environment[]) {
    const inherited_environment told(environment, spawning(actions));
    return real::posix_spawnp()(process, file, actions, attributes, arguments, told.get());
}

} // extern "C"
