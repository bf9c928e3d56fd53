// SPDX-License-Identifier: MIT
#include "inherit.hpp"

#include "real_calls.hpp"
#include "socket_table.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace xvsock::preload {

namespace {

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
        if (!stays_open(descriptor) || (state->what == kind::listener && !keep_listeners))
            continue;
        variable_ += variable_.empty() ? std::string(inherit_variable) + "=" : ",";
        for (const int number :
             {descriptor, static_cast<int>(state->what), state->family, state->tcp, state->vsock})
            variable_ += std::to_string(number) + ":";
        variable_.pop_back();
        for (const int inner : {state->tcp, state->vsock})
            if (inner >= 0)
                kept_.push_back(inner);
    }
    if (variable_.empty() || environment == nullptr)
        return;
    for (auto* const* one = environment; *one != nullptr; ++one)
        if (std::strncmp(*one, inherit_variable, std::strlen(inherit_variable)) != 0)
            pointers_.push_back(*one);
    pointers_.push_back(variable_.data());
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
