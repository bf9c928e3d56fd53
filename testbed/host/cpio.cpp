// SPDX-License-Identifier: MIT
#include "host/cpio.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fmt/format.h>

#include "host/failure.hpp"

namespace fs = std::filesystem;

namespace xvsock::testbed {

namespace {

constexpr std::size_t archive_boundary = 512;
constexpr std::size_t member_boundary = 4;
constexpr std::uint64_t largest_member = 0xffffffff;

} // namespace

cpio_writer::cpio_writer(fs::path file, bool append)
    : file_(std::move(file)), out_(file_, std::ios::binary | (append ? std::ios::app : std::ios::trunc)) {
    if (!out_)
        fail();
}

void cpio_writer::fail() const {
    const int error = errno;
    throw failure(exit_environment, fmt::format("cannot write {}: {}", file_.string(), std::strerror(error)));
}

void cpio_writer::write(const char* data, std::size_t size) {
    if (!out_.write(data, static_cast<std::streamsize>(size)))
        fail();
    written_ += size;
}

void cpio_writer::pad(std::size_t boundary) {
    static constexpr char zeros[archive_boundary] = {};
    if (const auto rest = written_ % boundary; rest != 0)
        write(zeros, boundary - rest);
}

void cpio_writer::header(const std::string& path, unsigned mode, std::uint64_t size, unsigned major,
                         unsigned minor) {
    if (size > largest_member)
        throw failure(exit_environment, fmt::format("{} is too large for an initramfs (limit 4 GiB)", path));
    // magic, inode, mode, uid, gid, links, time, size, device, special device, name's size, checksum
    const auto text =
        fmt::format("070701{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}",
                    inode_++, mode, 0, 0, 1, 0, size, 0, 0, major, minor, path.size() + 1, 0);
    write(text.data(), text.size());
    write(path.c_str(), path.size() + 1);
    pad(member_boundary);
}

void cpio_writer::add_folder(const std::string& path, unsigned permissions) {
    header(path, S_IFDIR | permissions, 0);
}

void cpio_writer::add_link(const std::string& path, const std::string& target) {
    header(path, S_IFLNK | 0777, target.size());
    write(target.data(), target.size());
    pad(member_boundary);
}

void cpio_writer::add_text(const std::string& path, std::string_view content, unsigned permissions) {
    header(path, S_IFREG | permissions, content.size());
    write(content.data(), content.size());
    pad(member_boundary);
}

void cpio_writer::add_device(const std::string& path, unsigned major, unsigned minor, unsigned permissions) {
    header(path, S_IFCHR | permissions, 0, major, minor);
}

void cpio_writer::add_file(const std::string& path, const std::vector<fs::path>& sources,
                           unsigned permissions) {
    std::uint64_t total = 0;
    for (const auto& source : sources)
        total += fs::file_size(source);
    header(path, S_IFREG | permissions, total);
    std::vector<char> buffer(1U << 20U);
    std::uint64_t copied = 0;
    for (const auto& source : sources) {
        std::ifstream in(source, std::ios::binary);
        while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0) {
            write(buffer.data(), static_cast<std::size_t>(in.gcount()));
            copied += static_cast<std::uint64_t>(in.gcount());
        }
    }
    if (copied != total)
        throw failure(exit_environment, fmt::format("cannot read all of {}", sources.front().string()));
    pad(member_boundary);
}

void cpio_writer::add_parents(const std::string& path) {
    for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1))
        add_folder(path.substr(0, slash));
}

void cpio_writer::add_tree(const fs::path& folder, const std::string& prefix,
                           const std::function<bool(const std::string&)>& skip) {
    std::vector<fs::path> entries;
    for (const auto& entry : fs::directory_iterator(folder))
        entries.push_back(entry.path());
    std::sort(entries.begin(), entries.end()); // the same content gives the same archive
    for (const auto& entry : entries) {
        const auto path = prefix + entry.filename().string();
        if (skip && skip(path))
            continue;
        struct stat info {};
        if (::lstat(entry.c_str(), &info) != 0)
            throw failure(exit_environment,
                          fmt::format("cannot read {}: {}", entry.string(), std::strerror(errno)));
        const unsigned permissions = info.st_mode & 07777U;
        if (S_ISDIR(info.st_mode)) {
            add_folder(path, permissions);
            add_tree(entry, path + "/", skip);
        } else if (S_ISLNK(info.st_mode)) {
            add_link(path, fs::read_symlink(entry).string());
        } else if (S_ISREG(info.st_mode)) {
            add_file(path, {entry}, permissions);
        } else if (S_ISCHR(info.st_mode)) {
            add_device(path, major(info.st_rdev), minor(info.st_rdev), permissions);
        }
    }
}

void cpio_writer::finish() {
    inode_ = 0;
    header("TRAILER!!!", 0, 0);
    pad(archive_boundary);
    out_.close();
    if (!out_)
        fail();
}

} // namespace xvsock::testbed
