// SPDX-License-Identifier: MIT
#include "service.hpp"

#include "durable_file.hpp"
#include "log.hpp"
#include "policy_file.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>
#include <csignal>
#include <set>
#include <system_error>

#include <ctime>
#include <unistd.h>

namespace xvsock::peer {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr auto quiet = asio::as_tuple(asio::use_awaitable);

/// Events come in bursts: what follows at once is taken with the first.
constexpr auto burst = 10ms;

/// How often xenstored is asked whether it is still there when nobody else wants to know.
constexpr std::chrono::microseconds pulse = 10s;

std::string monotonic_microseconds() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return fmt::format("{}", now.tv_sec * 1'000'000LL + now.tv_nsec / 1000);
}

void log_problems(const policy_error& error) {
    for (const std::string& problem : error.problems())
        log(level::error, "policy-wrong", "why", problem);
}

/// What was read last and was right.
std::string last_policy_in(const std::string& state_folder) {
    return state_folder + "/policy";
}

} // namespace

struct service::watched {
    watched(xenstore::client& store, std::string path, std::function<void()> then)
        : nodes(store, std::move(path)), fired(std::move(then)) {}

    xenstore::watch nodes;
    std::function<void()> fired;
    bool ended = false;
};

service::service(service_options options)
    : options_(std::move(options)), links_(store_, cid_file_in(options_.state_folder)),
      signals_(context_, SIGTERM, SIGINT, SIGHUP), work_(context_) {
    signals_.add(SIGUSR1);
    load();
}

/// A file that is wrong when the daemon is started again is no reason to do without a policy.
void service::load() {
    try {
        const std::string text = read_policy_text(options_.policy_file);
        take(parse_policy(text, options_.policy_file), text);
    } catch (const policy_error& error) {
        const std::string last = last_policy_in(options_.state_folder);
        if (!read_file(last))
            throw;
        policy rules = read_policy(last);
        log_problems(error);
        log(level::error, "policy-kept", "file", last, "why",
            fmt::format("{} is wrong: what was last in force holds on", options_.policy_file));
        links_.set_policy(std::move(rules), last);
    }
}

void service::take(policy rules, const std::string& text) {
    links_.set_policy(std::move(rules), options_.policy_file);
    const std::string last = last_policy_in(options_.state_folder);
    try {
        if (read_file(last) != text)
            replace_file(last, text, durability::machine);
    } catch (const std::system_error& error) {
        log(level::warning, "policy-not-saved", "file", last, "why", error.what());
    }
}

void service::run() {
    log(level::info, "started", "process", getpid(), "policy", options_.policy_file);
    start(take_signals());
    start(look_alive());
    for (const char* const path : {"@introduceDomain", "@releaseDomain"})
        watch(path, [this] { links_.look_for_domains(); });
    start(reconcile());
    context_.run();
    if (failure_)
        std::rethrow_exception(failure_);
    manager_.tell("STOPPING=1");
    log(level::info, "stopped", "why", "it was told to; the links stay");
}

/// A task that fails ends the daemon.
void service::start(asio::awaitable<void> task) {
    asio::co_spawn(context_, std::move(task), [this](const std::exception_ptr& error) {
        if (!error)
            return;
        failure_ = failure_ ? failure_ : error;
        context_.stop();
    });
}

void service::wake() {
    awake_ = true;
    links_.interrupt();
    work_.cancel();
}

asio::awaitable<void> service::reconcile() {
    auto next_resync = reconciler::clock::now() + options_.resync;
    for (;;) {
        awake_ = false;
        const bool complete = co_await links_.pass();
        watch_names();
        write_status();
        const auto now = reconciler::clock::now();
        auto next = std::min(next_resync, links_.due().value_or(next_resync));
        if (complete && !std::exchange(ready_, true)) {
            manager_.tell("READY=1\nSTATUS=The links are as the policy says.");
            log(level::info, "ready", "domains", links_.domains().size());
        }
        // While much is to be done others are looked after in between.
        work_.expires_at(std::max(next, now));
        if (!awake_)
            co_await work_.async_wait(quiet);
        work_.expires_after(burst);
        co_await work_.async_wait(quiet);
        if (reconciler::clock::now() >= next_resync) {
            next_resync = reconciler::clock::now() + options_.resync;
            links_.forget();
        }
    }
}

std::shared_ptr<service::watched> service::watch(const std::string& path, std::function<void()> fired) {
    auto one = std::make_shared<watched>(store_, path, std::move(fired));
    start(follow(one));
    return one;
}

asio::awaitable<void> service::follow(std::shared_ptr<watched> one) {
    for (;;) {
        const auto [error, path] = co_await one->nodes.async_wait(quiet);
        if (one->ended)
            co_return;
        if (error)
            throw std::system_error(error.value(), std::generic_category(), "watch " + one->nodes.path());
        one->fired();
        wake();
    }
}

/// A renamed domain is another one to the policy.
void service::watch_names() {
    std::set<domid> running;
    for (const known_domain& one : links_.domains())
        if (one.who.id != 0)
            running.insert(one.who.id);
    std::erase_if(names_, [&](const auto& one) {
        if (running.contains(one.first))
            return false;
        one.second->ended = true;
        one.second->nodes.cancel();
        return true;
    });
    for (const domid id : running)
        if (auto& one = names_[id]; !one)
            one = watch(fmt::format("/local/domain/{}/name", id), [this, id] { links_.look_at(id); });
}

asio::awaitable<void> service::take_signals() {
    for (;;) {
        const int signal = co_await signals_.async_wait(asio::use_awaitable);
        switch (signal) {
        case SIGHUP:
            reload();
            break;
        case SIGUSR1:
            links_.forget();
            wake();
            break;
        default:
            context_.stop();
            co_return;
        }
    }
}

void service::reload() {
    if (ready_) // before, it is not to be taken for ready because it has read a file
        manager_.tell("RELOADING=1\nMONOTONIC_USEC=" + monotonic_microseconds());
    try {
        const std::string text = read_policy_text(options_.policy_file);
        policy rules = parse_policy(text, options_.policy_file);
        // Better the old one than links that are cut because nobody could hold to what was meant.
        if (auto complaints = links_.complaints_about(rules); !complaints.empty())
            throw policy_error(std::move(complaints));
        take(std::move(rules), text);
        log(level::info, "policy-loaded", "file", options_.policy_file);
        wake();
    } catch (const policy_error& error) {
        log_problems(error);
        log(level::error, "policy-kept", "file", options_.policy_file, "why",
            "the new one is wrong, the old one holds on");
    }
    if (ready_)
        manager_.tell("READY=1");
}

/// Only who gets answers from xenstored is alive.
asio::awaitable<void> service::look_alive() {
    const auto interval = std::min(pulse, manager_.watchdog().value_or(3 * pulse) / 3);
    asio::steady_timer timer(context_);
    for (;;) {
        const auto [error, ignored] = co_await store_.async_list("/local", quiet);
        if (error)
            throw std::system_error(error.value(), std::generic_category(), "reach xenstored");
        manager_.tell("WATCHDOG=1");
        timer.expires_after(interval);
        co_await timer.async_wait(asio::use_awaitable);
    }
}

void service::write_status() {
    auto now = links_.status();
    now["process"] = getpid();
    std::string text = boost::json::serialize(now) + "\n";
    if (text == status_)
        return;
    try {
        replace_file(options_.runtime_folder + "/status.json", text, durability::program);
        status_ = std::move(text);
    } catch (const std::system_error& error) {
        log(level::warning, "status-not-written", "why", error.what());
    }
}

} // namespace xvsock::peer
