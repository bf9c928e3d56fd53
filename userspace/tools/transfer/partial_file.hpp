// SPDX-License-Identifier: MIT
/// A file that is not complete yet: NAME.part in a folder, until it becomes NAME.
#pragma once

#include "transfer/checksum.hpp"

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

namespace xvsock::transfer {

/// This file is not taken; the text says why.
class refused : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// An owned file descriptor.
class descriptor {
public:
    explicit descriptor(int fd = -1) noexcept : fd_(fd) {}
    descriptor(descriptor&& other) noexcept;
    descriptor& operator=(descriptor&& other) noexcept;
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor();

    int get() const noexcept { return fd_; }

private:
    int fd_;
};

/// The folder; throws std::runtime_error when there is none.
descriptor open_folder(const std::string& path);

/// Only one at a time has a NAME.part: it is locked. What it holds stays when this object goes, unless it
/// holds nothing.
class partial_file {
public:
    /// `size` is that of the whole file. Throws `refused`: NAME exists and may not be replaced, or is a
    /// folder; somebody else is about to store it; it cannot be created; the disk has no room for it.
    partial_file(int folder, std::string name, std::uint64_t size, bool may_replace);
    partial_file(const partial_file&) = delete;
    partial_file& operator=(const partial_file&) = delete;
    ~partial_file();

    int fd() const noexcept { return file_.get(); }
    /// How many bytes it holds.
    std::uint64_t size() const noexcept { return size_; }

    /// Drops what it holds. Throws std::system_error, as write() does.
    void clear();

    /// Appends.
    void write(std::span<const unsigned char> data);

    /// Writes it to the disk, and gives it the mode and its name. Throws std::system_error, and `refused`
    /// when something has that name by now.
    void commit(std::uint32_t mode);

    /// Removes it.
    void discard() noexcept;

private:
    void open_and_lock();
    /// To its name; false with errno.
    bool rename();

    int folder_;
    std::string name_, part_name_;
    bool may_replace_;
    descriptor file_;
    std::uint64_t size_ = 0;
    bool is_there_ = true; ///< as NAME.part
};

} // namespace xvsock::transfer
