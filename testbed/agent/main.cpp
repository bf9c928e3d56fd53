// SPDX-License-Identifier: MIT
// testbed-agent: runs inside the domains. Called as `tb` it lets scripts signal and wait for each other.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "agent/roles.hpp"
#include "agent/services.hpp"
#include "agent/store.hpp"
#include "agent/system.hpp"

namespace asio = boost::asio;

namespace {

using namespace xvsock::testbed;

constexpr const char* usage =
    "usage: tb signal NAME [VALUE]     wake every `tb wait NAME`; VALUE defaults to 1\n"
    "       tb wait NAME [SECONDS]     wait for the signal, print its value;\n"
    "                                  exit status 1 when the time is over\n"
    "       tb say TEXT                show a line in the progress of the run\n"
    "A signal lasts until the end of the run. Names are made of letters, digits, - and _.\n";

constexpr int usage_error = 2;

std::string signal_path(const std::string& name) {
    const bool valid =
        !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                "0123456789-_") == std::string::npos;
    if (!valid)
        throw std::invalid_argument(fmt::format("\"{}\" is no name of a signal", name));
    return "/testbed/signals/" + name;
}

asio::awaitable<int> wait_for_signal(asio::any_io_executor executor, std::string path, double seconds) {
    store xenstore(executor);
    xenstore.watch(path);
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    for (;;) {
        if (const auto value = xenstore.read(path)) {
            fmt::print("{}\n", *value);
            co_return 0;
        }
        std::chrono::milliseconds left{0};
        if (seconds > 0) {
            left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
            if (left.count() <= 0)
                co_return 1;
        }
        co_await xenstore.changed(left);
    }
}

// As the script's environment says; a person's shell need not.
double slowness() {
    const char* text = std::getenv("SLOWNESS");
    return text == nullptr ? 1 : std::stod(text);
}

asio::awaitable<int> agent(asio::any_io_executor executor, std::vector<std::string> words) {
    if (words.size() == 1 && words[0] == "dom0") {
        co_await dom0_role();
        co_return 0;
    }
    if (words.size() == 2 && words[0] == "guest") {
        co_await guest_role(words[1]);
        co_return 0;
    }
    if ((words.size() == 2 || words.size() == 3) && words[0] == "signal") {
        store(executor).write(signal_path(words[1]), words.size() == 3 ? words[2] : "1");
        co_return 0;
    }
    if ((words.size() == 2 || words.size() == 3) && words[0] == "wait")
        co_return co_await wait_for_signal(executor, signal_path(words[1]),
                                           words.size() == 3 ? std::stod(words[2]) * slowness() : 0);
    if (words.size() == 2 && words[0] == "say") {
        // Named by the time, so that dom0 shows them in order and two speakers do not meet.
        const auto now = std::chrono::system_clock::now().time_since_epoch();
        store(executor).write(fmt::format("/testbed/said/{}-{}", now.count(), ::getpid()), words[1]);
        co_return 0;
    }
    fmt::print(stderr, "{}", usage);
    co_return usage_error;
}

int run_agent(std::vector<std::string> words) {
    asio::io_context context;
    int result = EXIT_FAILURE;
    asio::co_spawn(context, agent(context.get_executor(), std::move(words)),
                   [&](const std::exception_ptr& error, int status) {
                       result = status;
                       if (error) {
                           result = EXIT_FAILURE;
                           try {
                               std::rethrow_exception(error);
                           } catch (const std::exception& reason) {
                               fmt::print(stderr, "testbed: {}\n", reason.what());
                           }
                       }
                       context.stop();
                   });
    context.run();
    return result;
}

// Process 1: the kernel's command line names the guest, dom0's has no name.
int boot() {
    try {
        mount_all();
        const auto name = boot_parameter("tb.name");
        if (name.empty()) {
            start_dom0_services();
            return run_agent({"dom0"});
        }
        start_guest_services(name);
        return run_agent({"guest", name});
    } catch (const std::exception& reason) {
        fmt::print(stderr, "testbed: {}\n", reason.what());
        return EXIT_FAILURE;
    }
}

} // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    const auto called = std::filesystem::path(argv[0]).filename();
    if (called == "init")
        be_init(boot);
    if (called == "vif-testbed")
        return argc > 1 ? connect_vif(argv[1]) : usage_error;
    return run_agent({argv + 1, argv + argc});
}
