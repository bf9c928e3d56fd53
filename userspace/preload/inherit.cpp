// SPDX-License-Identifier: MIT
#include "inherit.hpp"

#include "address_map.hpp"
#include "carry.hpp"
#include "listener.hpp"
#include "real_calls.hpp"
#include "socket_table.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <dirent.h>

namespace xvsock::preload {

namespace {

/// What the program was begun with: it may clear its environment. Set before main(), and there for ever.
struct variables {
    std::string map;
    std::string libraries;
};

variables& begun_with() {
    static auto& what = *new variables;
    return what;
}

std::string assignment(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(name) + "=" + value;
}

bool is_open(int descriptor) {
    return real::fcntl()(descriptor, F_GETFD) >= 0;
}

bool stays_open(int descriptor) {
    const int flags = real::fcntl()(descriptor, F_GETFD);
    return flags >= 0 && (flags & FD_CLOEXEC) == 0;
}

void set_close_on_exec(int descriptor, bool closes) {
    if (descriptor >= 0)
        real::fcntl()(descriptor, F_SETFD, closes ? FD_CLOEXEC : 0);
}

/// As it is but while something is executed. The table is locked.
void close_inner_on_exec() {
    const auto& table = socket_table::instance();
    for (const int descriptor : table.all()) {
        const auto state = table.find(descriptor);
        for (const int inner : {state->tcp.load(), state->vsock.load()})
            set_close_on_exec(inner, true);
    }
}

/// All that are open; without /proc only those that a program begins with, as a rule.
std::vector<int> open_descriptors() {
    std::vector<int> all;
    DIR* const folder = ::opendir("/proc/self/fd");
    if (folder == nullptr) {
        constexpr int likely = 1024;
        for (int i = 0; i < likely; ++i)
            if (is_open(i))
                all.push_back(i);
        return all;
    }
    for (const dirent* one = ::readdir(folder); one != nullptr; one = ::readdir(folder))
        if (const int number = std::atoi(one->d_name); one->d_name[0] != '.' && number != ::dirfd(folder))
            all.push_back(number);
    ::closedir(folder);
    return all;
}

std::vector<std::pair<int, int>> named_listeners() {
    std::vector<std::pair<int, int>> all;
    const char* text = std::getenv(inherit_variable);
    int tcp = -1, vsock = -1, length = 0;
    while (text != nullptr && std::sscanf(text, "%d:%d%n", &tcp, &vsock, &length) == 2) {
        all.emplace_back(tcp, vsock);
        text += length;
        if (*text++ != ',')
            break;
    }
    ::unsetenv(inherit_variable);
    return all;
}

/// Finds the descriptors of a listener: false when it has none here.
bool take_listener(const std::vector<int>& open, int tcp, int vsock) {
    auto& table = socket_table::instance();
    const auto state = recognised(tcp);
    if (!state)
        return false;
    for (const int descriptor : open)
        if (is_listener_of(descriptor, tcp, vsock)) {
            state->tcp = tcp;
            state->vsock = vsock;
            state->what = kind::listener;
            table.add(descriptor, state);
        }
    for (const int inner : {tcp, vsock}) {
        table.set_inner(inner, state->what == kind::listener);
        set_close_on_exec(inner, true);
    }
    return state->what == kind::listener;
}

/// Before main(), and before other threads.
__attribute__((constructor)) void take_inherited() {
    address_map::of_environment();
    begun_with() = {assignment(map_variable), assignment("LD_PRELOAD")};
    auto& table = socket_table::instance();
    const auto held = table.lock();
    const auto open = open_descriptors();
    for (const auto& [tcp, vsock] : named_listeners())
        if (!take_listener(open, tcp, vsock))
            for (const int inner : {tcp, vsock})
                if (recognised(inner) != nullptr) // and not something that has its number since
                    real::close()(inner);
    for (const int descriptor : open)
        if (table.find(descriptor) == nullptr && !table.is_inner(descriptor))
            if (const auto state = recognised(descriptor))
                table.add(descriptor, state);
}

} // namespace

inherited_environment::inherited_environment(char* const* environment, beginning how)
    : environment_(environment), how_(how) {
    auto& table = socket_table::instance();
    const auto held = table.lock();
    if (how != beginning::exec)
        ++table.spawning;
    else if (table.spawning == 0) // after a fork() in the middle of a posix_spawn() of another thread
        close_inner_on_exec();
    // Copies that nobody has told us of.
    const bool has_copies = how == beginning::spawn_actions || !table.is_of_this_process();
    bool is_inherited = false;
    std::vector<const socket_state*> named;
    for (const int descriptor : table.all()) {
        const auto state = table.find(descriptor);
        if (!(has_copies ? is_open(descriptor) : stays_open(descriptor)))
            continue;
        is_inherited = true;
        if (state->what != kind::listener || !is_open(state->tcp) || !is_open(state->vsock) ||
            std::find(named.begin(), named.end(), state.get()) != named.end())
            continue;
        named.push_back(state.get());
        variable_ += variable_.empty() ? std::string(inherit_variable) + "=" : ",";
        variable_ += std::to_string(state->tcp) + ":" + std::to_string(state->vsock);
        for (const int inner : {state->tcp.load(), state->vsock.load()})
            set_close_on_exec(inner, false);
    }
    if (!is_inherited || environment == nullptr)
        return;
    const auto has = [&](const std::string& name) {
        return std::any_of(pointers_.begin(), pointers_.end(), [&](const char* one) {
            return std::strncmp(one, name.c_str(), name.size()) == 0;
        });
    };
    for (auto* const* one = environment; *one != nullptr; ++one)
        if (std::strncmp(*one, inherit_variable, std::strlen(inherit_variable)) != 0)
            pointers_.push_back(*one);
    if (!variable_.empty())
        pointers_.push_back(variable_.data());
    // Without these nobody would understand it.
    for (auto* const needed : {&begun_with().map, &begun_with().libraries}) {
        const auto name = needed->substr(0, needed->find('=') + 1);
        if (!name.empty() && !has(name))
            pointers_.push_back(needed->data());
    }
    pointers_.push_back(nullptr);
    environment_ = pointers_.data();
}

// Reached by exec() only when it has failed. The flags change with the mutex held, so that the last one of
// several posix_spawn() sets them back, and no other is between its own two steps.
inherited_environment::~inherited_environment() {
    auto& table = socket_table::instance();
    const auto held = table.lock();
    if (how_ != beginning::exec)
        --table.spawning;
    if (table.spawning == 0)
        close_inner_on_exec();
}

} // namespace xvsock::preload
