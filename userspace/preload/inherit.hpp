// SPDX-License-Identifier: MIT
/// What a program that is executed has to know of the sockets that it inherits. Streams it recognises by
/// itself, whatever their numbers have become; the listeners' own descriptors are named in a variable.
#pragma once

#include <string>
#include <vector>

namespace xvsock::preload {

/// "TCP:VSOCK" of each listener, with commas between them.
inline constexpr const char* inherit_variable = "XVSOCK_INHERIT";

/// How a program is begun, and so which listeners it may have.
enum class beginning {
    exec,          ///< in this process: those that do not close; after vfork() as with actions
    spawn,         ///< in another one, while others of our threads go on
    spawn_actions, ///< likewise, and any of ours may be given to it under another number
};

/// The environment with that variable, for exec() and posix_spawn(): the strings belong to this or to
/// `environment`. Until this is destroyed, the listeners' own descriptors stay open in what is executed.
class inherited_environment {
public:
    inherited_environment(char* const* environment, beginning how);
    inherited_environment(const inherited_environment&) = delete;
    inherited_environment& operator=(const inherited_environment&) = delete;
    ~inherited_environment();

    [[nodiscard]] char* const* get() const { return environment_; }

private:
    char* const* environment_;
    beginning how_;
    std::string variable_;
    std::vector<char*> pointers_;
};

} // namespace xvsock::preload
