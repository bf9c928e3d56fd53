// SPDX-License-Identifier: MIT
#include "host/tool.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sstream>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "host/failure.hpp"

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace xvsock::testbed {

namespace {

// The lines that say what went wrong, for the message.
std::string explanation(const std::string& log) {
    struct cause {
        const char* sign;
        const char* meaning;
    };
    static constexpr std::array<cause, 10> causes{{
        {"No space left on device", "the disk is full"},
        {"enough free space in", "the disk is full"},
        {"not enough free space", "the disk is full"},
        {"Could not resolve", "the package mirror cannot be reached (no network?)"},
        {"Temporary failure resolving", "the package mirror cannot be reached (no network?)"},
        {"Could not connect", "the package mirror cannot be reached (no network?)"},
        {"Unable to connect", "the package mirror cannot be reached (no network?)"},
        {"Network is unreachable", "the package mirror cannot be reached (no network?)"},
        {"Cannot initiate the connection", "the package mirror cannot be reached (no network?)"},
        {"Unable to locate package", "the suite has no such package"},
    }};
    std::string text;
    for (const auto& [sign, meaning] : causes) {
        const auto at = log.find(sign);
        if (at == std::string::npos)
            continue;
        const auto line = log.rfind('\n', at) + 1;
        const auto start = log.find_first_not_of(" \t", line);
        return fmt::format("{}: {}", meaning, log.substr(start, log.find('\n', at) - start));
    }
    std::deque<std::string> last;
    std::istringstream lines(log);
    for (std::string line; std::getline(lines, line);) {
        last.push_back("  " + line);
        if (last.size() > 8)
            last.pop_front();
    }
    for (const auto& line : last)
        text += "\n" + line;
    return "the end of its log is" + text;
}

// So that a tool that fills the disk can still say so in its log.
void keep_room(int fd, std::uintmax_t after, const fs::path& log) {
    constexpr off_t enough = 65536;
    if (::fallocate(fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(after), enough) != 0 && errno == ENOSPC)
        throw failure(exit_environment,
                      fmt::format("cannot write {}: {}", log.string(), std::strerror(errno)));
}

std::unique_ptr<child_process> start(const asio::any_io_executor& executor, const command& what) {
    try {
        return std::make_unique<child_process>(executor, what);
    } catch (const std::system_error& error) {
        throw failure(exit_environment, error.what());
    }
}

} // namespace

asio::awaitable<captured> capture(command what) {
    const auto executor = co_await asio::this_coro::executor;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0)
        throw failure(exit_environment, fmt::format("pipe: {}", std::strerror(errno)));
    asio::posix::stream_descriptor source(executor, ends[0]);
    what.stdout_fd = ends[1];
    what.stderr_fd = what.stderr_fd < 0 ? STDERR_FILENO : what.stderr_fd;
    std::unique_ptr<child_process> child;
    try {
        child = start(executor, what);
    } catch (...) {
        ::close(ends[1]);
        throw;
    }
    ::close(ends[1]);
    captured result;
    boost::system::error_code error;
    std::array<char, 16384> buffer;
    while (!error) {
        const auto count = co_await source.async_read_some(asio::buffer(buffer),
                                                           asio::redirect_error(asio::use_awaitable, error));
        result.output.append(buffer.data(), count);
    }
    result.status = co_await child->wait();
    co_return result;
}

asio::awaitable<void> run_logged(command what, fs::path log, std::string purpose) {
    fs::create_directories(log.parent_path());
    const int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        throw failure(exit_environment,
                      fmt::format("cannot write {}: {}", log.string(), std::strerror(errno)));
    const std::unique_ptr<const int, void (*)(const int*)> closer(&fd,
                                                                  [](const int* open) { ::close(*open); });
    const auto before = fs::file_size(log);
    keep_room(fd, before, log);
    what.stdout_fd = fd;
    what.stderr_fd = fd;
    const auto child = start(co_await asio::this_coro::executor, what);
    const int status = co_await child->wait();
    [[maybe_unused]] const int kept = ::ftruncate(fd, static_cast<off_t>(fs::file_size(log)));
    if (status != 0)
        throw failure(exit_environment,
                      fmt::format("{} failed ({}): {}\n  log: {}", purpose, describe_status(status),
                                  explanation(read_file(log).substr(before)), log.string()));
}

void require_program(const std::string& name, const std::string& package) {
    if (find_program(name).empty())
        throw failure(exit_environment,
                      fmt::format("{} is missing; install Debian's package {}", name, package));
}

std::string read_file(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in)
        throw failure(exit_environment,
                      fmt::format("cannot read {}: {}", file.string(), std::strerror(errno)));
    return {std::istreambuf_iterator<char>(in), {}};
}

void write_file(const fs::path& file, std::string_view content) {
    const fs::path temporary = file.string() + ".new";
    {
        std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
        out << content;
        out.close();
        if (!out) {
            const int error = errno;
            std::error_code ignored;
            fs::remove(temporary, ignored);
            throw failure(exit_environment,
                          fmt::format("cannot write {}: {}", file.string(), std::strerror(error)));
        }
    }
    fs::rename(temporary, file);
}

} // namespace xvsock::testbed
