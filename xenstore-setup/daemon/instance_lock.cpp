// SPDX-License-Identifier: MIT
#include "instance_lock.hpp"

#include "durable_file.hpp"

#include <cerrno>
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

instance_lock::instance_lock(const std::string& path)
    : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644)) {
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
        throw instance_error(fmt::format("xvsockd runs already{}: it has locked {}", owner_in(path), path));
    }
    const std::string text = fmt::format("{}\n", getpid());
    if (::ftruncate(file_, 0) != 0 || ::pwrite(file_, text.data(), text.size(), 0) != ssize_t(text.size()))
        fail();
}

instance_lock::~instance_lock() {
    ::close(file_);
}

} // namespace xvsock::peer
