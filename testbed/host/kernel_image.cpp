// SPDX-License-Identifier: MIT
#include "host/kernel_image.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/this_coro.hpp>
#include <boost/endian/conversion.hpp>
#include <fmt/format.h>

#include "host/failure.hpp"
#include "host/tool.hpp"

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace xvsock::testbed {

namespace {

struct format {
    std::string_view magic;
    const char* program;
    const char* package;
    bool kernel_appends_size; // the kernel's build adds four bytes with the size, which the tool would not
                              // like
};

using namespace std::string_view_literals;

constexpr std::array<format, 4> formats{{
    {"\x1f\x8b"sv, "gzip", "gzip", false},
    {"\xfd"
     "7zXZ\0"sv,
     "xz", "xz-utils", true},
    {"\x28\xb5\x2f\xfd"sv, "zstd", "zstd", true},
    {"\x02\x21\x4c\x18"sv, "lz4", "lz4", true},
}};

const format& format_of(std::string_view data, const fs::path& file) {
    for (const auto& one : formats)
        if (data.starts_with(one.magic))
            return one;
    throw failure(exit_environment, fmt::format("{}: unknown compression", file.string()));
}

// Offsets in the x86 boot protocol's setup header.
constexpr std::size_t setup_sectors_at = 0x1f1;
constexpr std::size_t header_magic_at = 0x202;
constexpr std::size_t payload_offset_at = 0x248;
constexpr std::size_t payload_length_at = 0x24c;

std::uint32_t load_u32(const std::string& data, std::size_t at) {
    return boost::endian::load_little_u32(reinterpret_cast<const unsigned char*>(data.data() + at));
}

} // namespace

asio::awaitable<void> decompress(fs::path from, fs::path to) {
    const auto& kind = format_of(read_file(from).substr(0, 8), from);
    require_program(kind.program, kind.package);
    const int fd = ::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        throw failure(exit_environment,
                      fmt::format("cannot write {}: {}", to.string(), std::strerror(errno)));
    const std::unique_ptr<const int, void (*)(const int*)> closer(&fd,
                                                                  [](const int* open) { ::close(*open); });
    command tool;
    tool.argv = word_list(kind.program, "-dc", from.string());
    tool.stdout_fd = fd;
    tool.stderr_fd = STDERR_FILENO;
    child_process child(co_await asio::this_coro::executor, tool);
    if (const int status = co_await child.wait(); status != 0)
        throw failure(exit_environment, fmt::format("{} cannot decompress {}: {}", kind.program,
                                                    from.string(), describe_status(status)));
}

asio::awaitable<void> compress_archive(fs::path from, fs::path to) {
    require_program("zstd", "zstd");
    // A window of 1 MiB: the kernel that decompresses it has little memory to spare.
    command tool;
    tool.argv = word_list("zstd", "-q", "-f", "-12", "--zstd=wlog=20", from.string(), "-o", to.string());
    co_await run_logged(std::move(tool), to.string() + ".log", "compressing an image");
    fs::remove(to.string() + ".log");
    std::error_code error;
    constexpr std::uintmax_t boundary = 512;
    fs::resize_file(to, (fs::file_size(to) + boundary - 1) / boundary * boundary, error);
    if (error)
        throw failure(exit_environment, fmt::format("cannot write {}: {}", to.string(), error.message()));
}

asio::awaitable<void> extract_vmlinux(fs::path bzimage, fs::path vmlinux) {
    const auto image = read_file(bzimage);
    if (image.size() < 0x300 || image.compare(header_magic_at, 4, "HdrS") != 0)
        throw failure(exit_environment, fmt::format("{} is no x86 kernel", bzimage.string()));
    std::size_t sectors = static_cast<unsigned char>(image[setup_sectors_at]);
    sectors = sectors == 0 ? 4 : sectors; // the protocol's default
    const std::size_t start = (sectors + 1) * 512 + load_u32(image, payload_offset_at);
    std::size_t length = load_u32(image, payload_length_at);
    if (start + length > image.size() || length < 16)
        throw failure(exit_environment, fmt::format("{} is cut off", bzimage.string()));
    if (format_of(std::string_view(image).substr(start), bzimage).kernel_appends_size)
        length -= 4;
    const fs::path payload = vmlinux.string() + ".compressed";
    write_file(payload, std::string_view(image).substr(start, length));
    co_await decompress(payload, vmlinux);
    fs::remove(payload);
}

} // namespace xvsock::testbed
