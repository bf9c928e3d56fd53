// SPDX-License-Identifier: MIT
/// One daemon at a time.
#pragma once

#include <stdexcept>
#include <string>

namespace xvsock::peer {

/// Another one runs.
class instance_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A locked file with the process's id in it. The lock goes with the process, however it ends; the file
/// stays.
class instance_lock {
public:
    /// Throws instance_error when another process has it, std::system_error when it cannot be made.
    explicit instance_lock(const std::string& path);
    ~instance_lock();
    instance_lock(const instance_lock&) = delete;
    instance_lock& operator=(const instance_lock&) = delete;

private:
    int file_;
};

} // namespace xvsock::peer
