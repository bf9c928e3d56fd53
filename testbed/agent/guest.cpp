// SPDX-License-Identifier: MIT
// The agent's part in a guest: module, script, results.
#include "agent/roles.hpp"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

#include "agent/leaks.hpp"
#include "agent/script.hpp"
#include "agent/services.hpp"
#include "agent/system.hpp"
#include "agent/terminal.hpp"
#include "common/child_process.hpp"

namespace asio = boost::asio;

namespace xvsock::testbed {

namespace {

using namespace std::chrono_literals;

// Sends the script's log and its results, as a tar stream, to dom0.
asio::awaitable<void> deliver(std::string name) {
    const auto executor = co_await asio::this_coro::executor;
    asio::ip::tcp::socket connection(executor);
    co_await connection.async_connect({asio::ip::make_address(dom0_address), collect_port},
                                      asio::use_awaitable);
    co_await asio::async_write(connection, asio::buffer(name + "\n"), asio::use_awaitable);
    connection.native_non_blocking(false); // tar writes to it
    child_process tar(executor, tar_command(connection.native_handle()));
    const int status = co_await tar.wait();
    if (status != 0)
        throw std::runtime_error(fmt::format("tar of the results: {}", describe_status(status)));
    connection.shutdown(asio::ip::tcp::socket::shutdown_send);
    // dom0 closes when it has passed everything on.
    char ignored = 0;
    boost::system::error_code end;
    co_await asio::async_read(connection, asio::buffer(&ignored, 1),
                              asio::redirect_error(asio::use_awaitable, end));
}

} // namespace

command tar_command(int stdout_fd) {
    return {.argv = {"tar", "-C", "/", "-cf", "-", "--ignore-failed-read", "results", "testbed/log"},
            .stdout_fd = stdout_fd};
}

asio::awaitable<void> guest_role(std::string name) {
    const auto executor = co_await asio::this_coro::executor;
    const auto plan = load_plan();
    store xenstore(executor);
    const std::string node = "/testbed/scripts/" + name;
    const auto phase = [&] { return xenstore.read("/testbed/phase").value_or(""); };
    xenstore.watch("/testbed/phase");
    if (plan.module) {
        if (const auto problem = load_xen_vsock(plan.module_options); !problem.empty())
            xenstore.write(node + "/error", problem);
    }
    const auto self = std::find_if(plan.guests.begin(), plan.guests.end(),
                                   [&](const auto& guest) { return guest.name == name; });
    if (self != plan.guests.end() && self->systemd)
        let_systemd_be_init();
    xenstore.write(node + "/up", "1");
    while (phase().empty())
        co_await xenstore.changed();

    const bool has_script = self != plan.guests.end() && self->has_script;
    const int log = ::open("/testbed/log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    script_run script(executor, [log](std::string_view text) {
        // The console has a copy in case the guest dies before it can deliver the file.
        for (const int fd : {log, STDOUT_FILENO})
            [[maybe_unused]] const auto written = ::write(fd, text.data(), text.size());
    });
    if (has_script && phase() == "run") {
        fmt::print("testbed: script starts\n");
        std::fflush(stdout);
        asio::co_spawn(executor, script.run(name, script_environment(plan, xenstore, name)),
                       [&](const std::exception_ptr& error, const std::string& status) {
                           xenstore.write(node + "/status", error ? "127" : status);
                       });
    }
    if (plan.interactive)
        asio::co_spawn(executor, shells_on_console(script_environment(plan, xenstore, name)), asio::detached);
    while (phase() == "run")
        co_await xenstore.changed();

    script.kill();
    std::string outcome = "1";
    try {
        // Not with ?: and co_await in one expression, whose temporaries GCC 12 destroys twice.
        std::string leaks;
        if (plan.debug_kernel)
            leaks = co_await find_leaks();
        co_await deliver(name);
        if (!leaks.empty())
            outcome = leaks;
    } catch (const std::exception& error) {
        outcome = fmt::format("results were not delivered: {}", error.what());
    }
    xenstore.write(node + "/done", outcome);
    asio::steady_timer never(executor, asio::steady_timer::time_point::max());
    co_await never.async_wait(asio::use_awaitable); // dom0 powers everything off
}

} // namespace xvsock::testbed
