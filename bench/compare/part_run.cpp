// SPDX-License-Identifier: MIT
#include "part_run.hpp"

#include "common/child_process.hpp"

#include "sampler.hpp"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace asio = boost::asio;

namespace xvsock::bench {

namespace {

std::vector<std::string> command_of(const part& one, mode which, const run_folders& folders,
                                    const std::filesystem::path& monitor) {
    const auto own = folders.raw / one.name;
    if (one.scenario.empty()) {
        std::vector<std::string> words{(folders.artifacts / "bin/xvsock-ring-bench").string(),
                                       fmt::format("--benchmark_out={}", (own / "ring.json").string()),
                                       "--benchmark_out_format=json"};
        for (const auto& [key, value] : one.settings)
            words.push_back(fmt::format("--{}={}", key, value));
        return words;
    }
    std::vector<std::string> words{(folders.artifacts / "bin/xvsock-testbed").string(),
                                   "scenario",
                                   one.scenario.string(),
                                   "--out",
                                   own.string(),
                                   "--artifacts",
                                   folders.artifacts.string(),
                                   "--cache",
                                   folders.cache.string()};
    if (which == mode::virtual_time)
        words.emplace_back("--virtual-time");
    for (const auto& [key, value] : one.settings) {
        words.emplace_back("--set");
        words.push_back(fmt::format("{}={}", key, value));
    }
    if (!monitor.empty()) {
        words.emplace_back("--monitor");
        words.push_back(monitor.string());
    }
    return words;
}

} // namespace

asio::awaitable<run_outcome> run_part(part one, mode which, run_folders folders,
                                      std::function<void(const std::string&)> line) {
    const auto executor = co_await asio::this_coro::executor;
    std::filesystem::create_directories(folders.raw / one.name);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0)
        throw std::system_error(errno, std::generic_category(), "pipe");
    asio::posix::stream_descriptor output(executor, ends[0]);
    sampler samples(executor);
    testbed::command start;
    start.argv = command_of(one, which, folders, one.sampled ? samples.socket() : "");
    start.stdout_fd = start.stderr_fd = ends[1];
    start.death_signal = SIGTERM; // it then stops what it has started
    testbed::child_process process(executor, start);
    ::close(ends[1]);

    run_outcome outcome;
    asio::streambuf buffer;
    boost::system::error_code error;
    for (;;) {
        co_await asio::async_read_until(output, buffer, '\n',
                                        asio::redirect_error(asio::use_awaitable, error));
        if (error)
            break;
        std::istream text(&buffer);
        std::getline(text, outcome.last_line);
        if (one.sampled)
            samples.heard(outcome.last_line);
        line(outcome.last_line);
    }
    if (error == asio::error::operation_aborted) { // interrupted: the testbed clears up by itself
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        process.signal_group(SIGTERM);
        co_await process.wait();
        throw boost::system::system_error(error);
    }
    const int status = co_await process.wait();
    if (one.sampled)
        samples.write(folders.raw / one.name / "samples.json");
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    co_return outcome;
}

} // namespace xvsock::bench
