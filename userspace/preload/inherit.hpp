// SPDX-License-Identifier: MIT
/// What a program that is executed has to know of the sockets that it inherits.
#pragma once

#include <string>
#include <vector>

namespace xvsock::preload {

/// "DESCRIPTOR:KIND:FAMILY:TCP:VSOCK" and so on, with commas between them, of sockets that stay open.
inline constexpr const char* inherit_variable = "XVSOCK_INHERIT";

/// The environment with that variable, for exec(): the strings belong to this or to `environment`.
class inherited_environment {
public:
    /// With `keep_listeners` their own descriptors stay open, too, until this is destroyed.
    inherited_environment(char* const* environment, bool keep_listeners);
    inherited_environment(const inherited_environment&) = delete;
    inherited_environment& operator=(const inherited_environment&) = delete;
    ~inherited_environment();

    [[nodiscard]] char* const* get() const { return environment_; }

private:
    char* const* environment_;
    std::string variable_;
    std::vector<char*> pointers_;
    std::vector<int> kept_;
};

} // namespace xvsock::preload
