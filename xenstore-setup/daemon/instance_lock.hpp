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

/// A locked file with the process's id in it, or a locked folder. The lock goes with the process, however it
/// ends; the file stays.
class instance_lock {
public:
    enum class on { file, folder };

    /// Throws instance_error when another process has it, std::system_error when it cannot be made.
    instance_lock(const std::string& path, on what);
    ~instance_lock();
    instance_lock(const instance_lock&) = delete;
    instance_lock& operator=(const instance_lock&) = delete;

private:
    int file_;
};

/// The folder of xenstored's socket, which two daemons with different folders of their own have in common. It
/// is not there when xenstored runs in a domain of its own.
std::string xenstored_folder();

} // namespace xvsock::peer
