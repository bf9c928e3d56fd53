// SPDX-License-Identifier: MIT
#include "test_program.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <system_error>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace asio = boost::asio;

namespace xvsock::conformance {

namespace {

testbed::command command_for(std::vector<std::string> argv, int output) {
    testbed::command what;
    what.argv = std::move(argv);
    what.stdout_fd = output;
    what.stderr_fd = output;
    return what;
}

} // namespace

test_program::test_program(const asio::any_io_executor& executor, std::vector<std::string> argv,
                           std::function<void()> changed, std::pair<int, int> pipe)
    : changed_(std::move(changed)), source_(executor, pipe.first),
      child_(executor, command_for(std::move(argv), pipe.second)), arrivals_{{0, clock::now()}} {}

std::shared_ptr<test_program> test_program::start(const asio::any_io_executor& executor,
                                                  std::vector<std::string> argv,
                                                  std::function<void()> changed) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0)
        throw std::system_error(errno, std::generic_category(), "pipe");
    const std::unique_ptr<int, void (*)(int*)> closer(&ends[1], [](int* end) { ::close(*end); });
    std::shared_ptr<test_program> program(
        new test_program(executor, std::move(argv), std::move(changed), {ends[0], ends[1]}));
    asio::co_spawn(
        executor, [program] { return program->collect(); }, asio::detached);
    return program;
}

asio::awaitable<void> test_program::collect() {
    const auto self = shared_from_this();
    std::array<char, 4096> buffer;
    for (boost::system::error_code error;;) {
        const auto count = co_await source_.async_read_some(asio::buffer(buffer),
                                                            asio::redirect_error(asio::use_awaitable, error));
        if (error)
            break;
        output_.append(buffer.data(), count);
        arrivals_.emplace_back(output_.size(), clock::now());
        changed_();
    }
    status_ = co_await child_.wait();
    ended_ = true;
    changed_();
}

test_program::clock::time_point test_program::arrival(std::size_t offset) const {
    for (const auto& [size, time] : arrivals_)
        if (size > offset)
            return time;
    return last_output();
}

bool tcp_port_listens(unsigned short port) {
    constexpr int listen_state = 0x0a;
    std::ifstream table("/proc/net/tcp");
    std::string line;
    std::getline(table, line); // the titles
    while (std::getline(table, line)) {
        std::istringstream words(line);
        std::string slot;
        std::string local;
        std::string remote;
        int state = 0;
        words >> slot >> local >> remote >> std::hex >> state;
        const auto colon = local.find(':');
        if (state == listen_state && colon != std::string::npos &&
            std::stoul(local.substr(colon + 1), nullptr, 16) == port)
            return true;
    }
    return false;
}

} // namespace xvsock::conformance
