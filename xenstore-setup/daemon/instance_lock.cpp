// SPDX-License-Identifier: MIT
#include "instance_lock.hpp"

#include "durable_file.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace xvsock::peer {

namespace {

std::string owner_in(const std::string& path) {
    std::string text = read_file(path).value_or("");
    text = text.substr(0, text.find('\n'));
    return text.empty() ? "" : fmt::format(", process {}", text);
}

} // namespace

instance_lock::instance_lock(const std::string& path, on what)
    : file_(what == on::folder ? ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                               : ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644)) {
    const auto fail = [&] {
        const int error = errno;
        if (file_ >= 0)
            ::close(file_);
        throw std::system_error(error, std::generic_category(), "lock " + path);
    };
    if (file_ < 0)
        fail();
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            fail();
        ::close(file_);
        throw instance_error(fmt::format("xvsockd runs already{}: it has locked {}",
                                         what == on::file ? owner_in(path) : "", path));
    }
    if (what == on::folder)
        return;
    const std::string text = fmt::format("{}\n", getpid());
    if (::ftruncate(file_, 0) != 0 || ::pwrite(file_, text.data(), text.size(), 0) != ssize_t(text.size()))
        fail();
}

instance_lock::~instance_lock() {
    ::close(file_);
}

std::string xenstored_folder() {
    if (const char* const socket = std::getenv("XENSTORED_PATH"))
        return std::filesystem::path(socket).parent_path();
    const char* const folder = std::getenv("XENSTORED_RUNDIR");
    return folder ? folder : "/run/xenstored";
}

} // namespace xvsock::peer
