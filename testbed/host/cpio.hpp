// SPDX-License-Identifier: MIT
// Writes initramfs archives: cpio in the "newc" format, of which Linux takes several one after the other.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace xvsock::testbed {

/// One archive file being written. All members belong to root. Throws failure when the disk is full.
class cpio_writer {
public:
    /// Creates the file, or appends another archive to it.
    explicit cpio_writer(std::filesystem::path file, bool append = false);
    cpio_writer(const cpio_writer&) = delete;
    cpio_writer& operator=(const cpio_writer&) = delete;

    /// Paths have no leading slash. Folders above a member must be added before it: see `add_parents`.
    void add_folder(const std::string& path, unsigned permissions = 0755);
    void add_link(const std::string& path, const std::string& target);
    void add_text(const std::string& path, std::string_view content, unsigned permissions = 0644);
    void add_device(const std::string& path, unsigned major, unsigned minor, unsigned permissions);
    /// A regular file made of the given files, one after the other.
    void add_file(const std::string& path, const std::vector<std::filesystem::path>& sources,
                  unsigned permissions);
    /// The folders above `path`, "a" and "a/b" for "a/b/c".
    void add_parents(const std::string& path);
    /// Everything below `folder`, under `prefix`; members for which `skip` says true are left out.
    void add_tree(const std::filesystem::path& folder, const std::string& prefix = "",
                  const std::function<bool(const std::string&)>& skip = nullptr);

    /// Writes the end mark. Must be called last.
    void finish();

private:
    void header(const std::string& path, unsigned mode, std::uint64_t size, unsigned major = 0,
                unsigned minor = 0);
    void write(const char* data, std::size_t size);
    void pad(std::size_t boundary);
    [[noreturn]] void fail() const;

    std::filesystem::path file_;
    std::ofstream out_;
    std::uint64_t written_ = 0;
    unsigned inode_ = 1;
};

} // namespace xvsock::testbed
