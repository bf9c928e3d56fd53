// SPDX-License-Identifier: MIT
#include "agent/terminal.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <pty.h>
#include <system_error>
#include <termios.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "common/child_process.hpp"

namespace asio = boost::asio;

namespace xvsock::testbed {

namespace {

command shell_command(int terminal, environment_list environment) {
    command shell{.argv = {"/bin/bash", "--norc"}, .environment = std::move(environment)};
    shell.environment.emplace_back("PS1", "\\h:\\w# ");
    shell.stdin_fd = shell.stdout_fd = shell.stderr_fd = terminal;
    shell.directory = "/root";
    shell.new_session = true;
    return shell;
}

} // namespace

terminals::terminals(asio::any_io_executor executor, output_handler output)
    : executor_(std::move(executor)), output_(std::move(output)) {}

asio::awaitable<void> terminals::read_all(std::string name, bool report) {
    std::array<char, 4096> buffer;
    for (;;) {
        boost::system::error_code error;
        const auto count = co_await masters_.at(name).async_read_some(
            asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
        if (error)
            co_return;
        if (report)
            output_(name, {buffer.data(), count});
    }
}

asio::awaitable<void> terminals::run_shell(std::string name, environment_list environment) {
    int master = -1;
    int slave = -1;
    if (::openpty(&master, &slave, nullptr, nullptr, nullptr) != 0)
        throw std::system_error(errno, std::generic_category(), "openpty");
    ::fcntl(master, F_SETFD, FD_CLOEXEC);
    ::fcntl(slave, F_SETFD, FD_CLOEXEC);
    masters_.emplace(name, asio::posix::stream_descriptor(executor_, master));
    child_process shell(executor_, shell_command(slave, std::move(environment)));
    ::close(slave);
    asio::co_spawn(executor_, read_all(name, true), asio::detached);
    co_await shell.wait();
}

void terminals::open_console(const std::string& name, const std::string& device) {
    const int fd = ::open(device.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        throw std::system_error(errno, std::generic_category(), device);
    termios settings{};
    ::tcgetattr(fd, &settings);
    ::cfmakeraw(&settings); // the guest's own terminal does the editing
    ::tcsetattr(fd, TCSANOW, &settings);
    masters_.emplace(name, asio::posix::stream_descriptor(executor_, fd));
    asio::co_spawn(executor_, read_all(name, false), asio::detached);
}

void terminals::type(const std::string& name, std::string_view bytes) {
    const auto found = masters_.find(name);
    if (found == masters_.end())
        return;
    while (!bytes.empty()) {
        const auto count = ::write(found->second.native_handle(), bytes.data(), bytes.size());
        if (count <= 0)
            return; // a terminal that takes no more: as with any other, what is typed is lost
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
}

asio::awaitable<void> shells_on_console(environment_list environment) {
    for (;;) {
        // Anew each time: the end of a session hangs up all that was opened before.
        const int terminal = ::open("/dev/hvc0", O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (terminal < 0)
            throw std::system_error(errno, std::generic_category(), "/dev/hvc0");
        child_process shell(co_await asio::this_coro::executor, shell_command(terminal, environment));
        ::close(terminal);
        co_await shell.wait();
    }
}

} // namespace xvsock::testbed
