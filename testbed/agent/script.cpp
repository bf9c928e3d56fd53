// SPDX-License-Identifier: MIT
#include "agent/script.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include "common/child_process.hpp"

namespace asio = boost::asio;

namespace xvsock::testbed {

namespace {

struct pipe_ends {
    int read_end = -1;
    int write_end = -1;
};

pipe_ends make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0)
        throw std::system_error(errno, std::generic_category(), "pipe");
    return {ends[0], ends[1]};
}

using text_sink = std::function<void(std::string_view)>;

// Hands over what is in the pipe, without waiting for more.
void drain(asio::posix::stream_descriptor& source, const text_sink& sink) {
    std::array<char, 16384> buffer;
    for (;;) {
        const auto count = ::read(source.native_handle(), buffer.data(), buffer.size());
        if (count <= 0)
            return;
        sink({buffer.data(), static_cast<std::size_t>(count)});
    }
}

asio::awaitable<void> forward(asio::posix::stream_descriptor& source, const text_sink& sink) {
    std::array<char, 16384> buffer;
    for (;;) {
        boost::system::error_code error;
        const auto count = co_await source.async_read_some(asio::buffer(buffer),
                                                           asio::redirect_error(asio::use_awaitable, error));
        if (error)
            break;
        sink({buffer.data(), count});
    }
    // Closed by the script, which may go on without output.
    asio::steady_timer never(source.get_executor(), asio::steady_timer::time_point::max());
    co_await never.async_wait(asio::use_awaitable);
}

} // namespace

run_plan load_plan() {
    std::ifstream file(std::string(plan_folder) + "/plan.json");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    return plan_from_json(boost::json::parse(text));
}

std::vector<std::pair<std::string, std::string>> script_environment(const run_plan& plan, store& xenstore,
                                                                    const std::string& name) {
    const auto domid_of = [&](const std::string& domain) {
        return domain == "dom0" ? 0 : std::stoi(xenstore.read("/testbed/domid/" + domain).value_or("-1"));
    };
    std::string guests;
    for (const auto& guest : plan.guests)
        guests += (guests.empty() ? "" : " ") + guest.name;
    const int domid = domid_of(name);
    // CIDs are domid + 2 unless dom0 says otherwise.
    std::vector<std::pair<std::string, std::string>> environment{
        {"NAME", name},
        {"ROLE", name == "dom0" ? "dom0" : "guest"},
        {"GUESTS", guests},
        {"DOMID", std::to_string(domid)},
        {"CID", std::to_string(domid + 2)},
        {"CID_dom0", "2"},
        {"IP_dom0", dom0_address},
        {"MODE", plan.mode},
        {"MODULE_OPTIONS", plan.module_options},
        {"ACCEL", plan.accelerator},
        {"RESULTS", results_folder},
        {"SLOWNESS", std::to_string(plan.slowness)},
    };
    for (std::size_t i = 0; i < plan.guests.size(); ++i) {
        auto suffix = plan.guests[i].name;
        std::replace(suffix.begin(), suffix.end(), '-', '_'); // '-' cannot be part of a shell variable
        environment.emplace_back("CID_" + suffix, std::to_string(domid_of(plan.guests[i].name) + 2));
        environment.emplace_back("DOMID_" + suffix, std::to_string(domid_of(plan.guests[i].name)));
        environment.emplace_back("IP_" + suffix, guest_address(i));
    }
    environment.insert(environment.end(), plan.environment.begin(), plan.environment.end());
    return environment;
}

script_run::script_run(asio::any_io_executor executor, std::function<void(std::string_view)> output)
    : executor_(std::move(executor)), output_(std::move(output)) {}

asio::awaitable<std::string> script_run::run(std::string name,
                                             std::vector<std::pair<std::string, std::string>> environment) {
    const auto ends = make_pipe();
    asio::posix::stream_descriptor output(executor_, ends.read_end);
    output.non_blocking(true);
    std::unique_ptr<child_process> child;
    try {
        child = std::make_unique<child_process>(
            executor_, command{.argv = {fmt::format("{}/scripts/{}", plan_folder, name)},
                               .environment = std::move(environment),
                               .stdout_fd = ends.write_end,
                               .stderr_fd = ends.write_end,
                               .directory = results_folder,
                               .new_session = true});
    } catch (const std::system_error& error) {
        output_(fmt::format("{}\n", error.what()));
    }
    ::close(ends.write_end);
    if (!child)
        co_return "127";
    session_ = child->pid();
    using namespace asio::experimental::awaitable_operators;
    const auto ended = co_await (child->wait() || forward(output, output_));
    session_ = -1;
    drain(output, output_);
    const int status = std::get<0>(ended);
    if (killed_)
        co_return "killed";
    co_return WIFEXITED(status) ? std::to_string(WEXITSTATUS(status))
                                : fmt::format("signal {}", WTERMSIG(status));
}

void script_run::kill() noexcept {
    if (session_ <= 0)
        return;
    killed_ = true;
    ::kill(-session_, SIGKILL);
}

} // namespace xvsock::testbed
