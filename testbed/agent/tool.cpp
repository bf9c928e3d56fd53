// SPDX-License-Identifier: MIT
#include "agent/tool.hpp"

#include <array>
#include <cstdio>
#include <memory>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

#include <boost/asio/this_coro.hpp>

#include "common/child_process.hpp"

namespace asio = boost::asio;

namespace xvsock::testbed {

asio::awaitable<tool_result> run_tool(std::vector<std::string> argv) {
    // A memory file and not a pipe: `xl create` leaves a daemon that keeps its output open.
    const int file = ::memfd_create("output", MFD_CLOEXEC);
    if (file < 0)
        throw std::system_error(errno, std::generic_category(), "memfd_create");
    const std::unique_ptr<const int, void (*)(const int*)> closer(&file, [](const int* fd) { ::close(*fd); });
    const command what{.argv = std::move(argv), .stdout_fd = file, .stderr_fd = file, .death_signal = 0};
    child_process child(co_await asio::this_coro::executor, what);
    tool_result result;
    result.status = co_await child.wait();
    std::array<char, 65536> buffer;
    const auto count = ::pread(file, buffer.data(), buffer.size(), 0);
    result.output.assign(buffer.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
    while (result.output.ends_with('\n'))
        result.output.pop_back();
    co_return result;
}

} // namespace xvsock::testbed
