// SPDX-License-Identifier: MIT
// Takes the uncompressed kernel out of a bzImage: decompressing it once here saves that at every guest's
// start.
#pragma once

#include <filesystem>

#include <boost/asio/awaitable.hpp>

namespace xvsock::testbed {

/// Writes the ELF file inside `bzimage` to `vmlinux`. Throws failure.
boost::asio::awaitable<void> extract_vmlinux(std::filesystem::path bzimage, std::filesystem::path vmlinux);

/// Decompresses a file with gzip, xz, zstd or lz4, told by its first bytes. Throws failure.
boost::asio::awaitable<void> decompress(std::filesystem::path from, std::filesystem::path to);

/// Compresses an archive with zstd, padded so that another one can follow in an initramfs. Throws failure.
boost::asio::awaitable<void> compress_archive(std::filesystem::path from, std::filesystem::path to);

} // namespace xvsock::testbed
