// SPDX-License-Identifier: MIT
#include "transfer/partial_file.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <optional>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace xvsock::transfer {

namespace {

[[noreturn]] void fail_on_file(const std::string& what) {
    throw std::system_error(errno, std::system_category(), what);
}

/// Of what has that name, itself; without a value when nothing has.
std::optional<struct stat> look(int folder, const std::string& name) {
    struct stat found {};
    if (::fstatat(folder, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0)
        return found;
    return std::nullopt;
}

void require_room(int folder, std::uint64_t needed) {
    struct statvfs disk {};
    // Some file systems in memory have no sizes, and no limit but the memory.
    if (::fstatvfs(folder, &disk) != 0 || disk.f_blocks == 0)
        return;
    const std::uint64_t room = (::geteuid() == 0 ? disk.f_bfree : disk.f_bavail) * disk.f_frsize;
    if (needed > room)
        throw refused(fmt::format("the disk has room for {} bytes, and {} are needed", room, needed));
}

} // namespace

descriptor::descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

descriptor& descriptor::operator=(descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}

descriptor::~descriptor() {
    if (fd_ >= 0)
        ::close(fd_);
}

descriptor open_folder(const std::string& path) {
    descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() < 0)
        throw std::runtime_error(fmt::format("cannot open the folder {}: {}", path, std::strerror(errno)));
    return folder;
}

partial_file::partial_file(int folder, std::string name, std::uint64_t size, bool may_replace)
    : folder_(folder), name_(std::move(name)), part_name_(name_ + ".part"), may_replace_(may_replace) {
    if (const auto there = look(folder_, name_)) {
        if (S_ISDIR(there->st_mode))
            throw refused("a folder has this name");
        if (!may_replace_)
            throw refused("it exists already; recv --force replaces");
    }
    const auto before = look(folder_, part_name_);
    const std::uint64_t kept = before ? std::uint64_t(before->st_size) : 0;
    require_room(folder_, size > kept ? size - kept : 0);
    open_and_lock();
    struct stat opened {};
    if (::fstat(fd(), &opened) != 0 || !S_ISREG(opened.st_mode))
        throw refused(fmt::format("{} is no regular file", part_name_));
    size_ = std::uint64_t(opened.st_size);
    if (::lseek(fd(), 0, SEEK_END) < 0)
        throw refused(fmt::format("cannot write {}: {}", part_name_, std::strerror(errno)));
}

partial_file::~partial_file() {
    if (is_there_ && size_ == 0)
        discard();
}

void partial_file::open_and_lock() {
    // Not through a link, and without waiting for the other end of a fifo.
    constexpr int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    for (;;) {
        file_ = descriptor(::openat(folder_, part_name_.c_str(), flags, 0600));
        if (fd() < 0)
            throw refused(fmt::format("cannot create {}: {}", part_name_, std::strerror(errno)));
        if (::flock(fd(), LOCK_EX | LOCK_NB) != 0)
            throw refused("it is being received already");
        // Who had the lock before may have renamed or removed it.
        struct stat opened {};
        const auto named = look(folder_, part_name_);
        if (::fstat(fd(), &opened) == 0 && named && named->st_ino == opened.st_ino)
            return;
    }
}

void partial_file::clear() {
    if (::ftruncate(fd(), 0) != 0 || ::lseek(fd(), 0, SEEK_SET) < 0)
        fail_on_file(fmt::format("cannot empty {}", part_name_));
    size_ = 0;
}

void partial_file::write(std::span<const unsigned char> data) {
    while (!data.empty()) {
        const ssize_t part = ::write(fd(), data.data(), data.size());
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            fail_on_file(fmt::format("cannot write {}", part_name_));
        size_ += std::uint64_t(part);
        data = data.subspan(std::size_t(part));
    }
}

void partial_file::commit(std::uint32_t mode) {
    // The mode comes last: a part that stays must be open to the next attempt.
    if (::fsync(fd()) != 0 || ::fchmod(fd(), mode & 0777U) != 0)
        fail_on_file(fmt::format("cannot write {} to the disk", part_name_));
    if (!rename()) {
        const int error = errno;
        ::fchmod(fd(), 0600);
        if (error == EEXIST)
            throw refused("a file with this name has come meanwhile; recv --force replaces");
        errno = error;
        fail_on_file(fmt::format("cannot rename {} to {}", part_name_, name_));
    }
    is_there_ = false;
    if (::fsync(folder_) != 0)
        fail_on_file("cannot write the folder to the disk");
}

bool partial_file::rename() {
    const char* const part = part_name_.c_str();
    if (may_replace_)
        return ::renameat(folder_, part, folder_, name_.c_str()) == 0;
    if (::renameat2(folder_, part, folder_, name_.c_str(), RENAME_NOREPLACE) == 0)
        return true;
    // Not every file system can do that; a link replaces nothing either.
    return (errno == EINVAL || errno == ENOSYS) && ::linkat(folder_, part, folder_, name_.c_str(), 0) == 0 &&
           ::unlinkat(folder_, part, 0) == 0;
}

void partial_file::discard() noexcept {
    ::unlinkat(folder_, part_name_.c_str(), 0);
    is_there_ = false;
}

} // namespace xvsock::transfer
