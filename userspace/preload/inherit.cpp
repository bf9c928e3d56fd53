// SPDX-License-Identifier: MIT
#include "inherit.hpp"

#include "address_map.hpp"
#include "real_calls.hpp"
#include "socket_table.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace xvsock::preload {

namespace {

/// What the program was begun with: it may clear its environment. Set before main(), and there for ever.
struct beginning {
    std::string map;
    std::string libraries;
};

beginning& begun_with() {
    static auto& what = *new beginning;
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

/// Before main(), and before other threads.
__attribute__((constructor)) void take_inherited() {
    address_map::of_environment();
    begun_with() = {assignment(map_variable), assignment("LD_PRELOAD")};
    const char* text = std::getenv(inherit_variable);
    if (text == nullptr)
        return;
    auto& table = socket_table::instance();
    const auto held = table.lock();
    int descriptor = 0, what = 0, family = 0, tcp = 0, vsock = 0, length = 0;
    while (std::sscanf(text, "%d:%d:%d:%d:%d%n", &descriptor, &what, &family, &tcp, &vsock, &length) == 5) {
        auto state = std::make_shared<socket_state>();
        state->what = static_cast<kind>(what);
        state->family = family;
        state->tcp = tcp;
        state->vsock = vsock;
        sockaddr_storage peer{};
        socklen_t size = sizeof peer;
        state->connected = state->what == kind::stream &&
                           real::getpeername()(descriptor, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
        for (const int inner : {tcp, vsock})
            if (inner >= 0) {
                table.set_inner(inner, true);
                set_close_on_exec(inner, true);
            }
        if (stays_open(descriptor))
            table.add(descriptor, state);
        text += length;
        if (*text++ != ',')
            break;
    }
    ::unsetenv(inherit_variable);
}

} // namespace

inherited_environment::inherited_environment(char* const* environment, bool keep_listeners)
    : environment_(environment) {
    auto& table = socket_table::instance();
    const auto held = table.lock();
    for (const int descriptor : table.all()) {
        const auto state = table.find(descriptor);
        const bool is_listener = state->what == kind::listener;
        if (!stays_open(descriptor) ||
            (is_listener && !(keep_listeners && is_open(state->tcp) && is_open(state->vsock))))
            continue;
        variable_ += variable_.empty() ? std::string(inherit_variable) + "=" : ",";
        for (const int number : {descriptor, static_cast<int>(state->what.load()), state->family,
                                 state->tcp.load(), state->vsock.load()})
            variable_ += std::to_string(number) + ":";
        variable_.pop_back();
        for (const int inner : {state->tcp.load(), state->vsock.load()})
            if (inner >= 0)
                kept_.push_back(inner);
    }
    if (variable_.empty() || environment == nullptr)
        return;
    for (auto* const* one = environment; *one != nullptr; ++one)
        if (std::strncmp(*one, inherit_variable, std::strlen(inherit_variable)) != 0)
            pointers_.push_back(*one);
    pointers_.push_back(variable_.data());
    // Without these nobody would understand it.
    for (auto* const needed : {&begun_with().map, &begun_with().libraries}) {
        const auto name = needed->substr(0, needed->find('=') + 1);
        if (!name.empty() && std::none_of(pointers_.begin(), pointers_.end(), [&](const char* one) {
                return std::strncmp(one, name.c_str(), name.size()) == 0;
            }))
            pointers_.push_back(needed->data());
    }
    pointers_.push_back(nullptr);
    environment_ = pointers_.data();
    for (const int inner : kept_)
        set_close_on_exec(inner, false);
}

inherited_environment::~inherited_environment() {
    for (const int inner : kept_)
        set_close_on_exec(inner, true);
}

} // namespace xvsock::preload
