// SPDX-License-Identifier: MIT
#include "sampler.hpp"

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <system_error>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json.hpp>

namespace asio = boost::asio;
namespace fs = std::filesystem;
namespace json = boost::json;

namespace xvsock::bench {

struct sampler::state {
    explicit state(const asio::any_io_executor& executor) : connection(executor), timer(executor) {}

    asio::local::stream_protocol::socket connection;
    asio::steady_timer timer;
    fs::path folder;
    std::string test; ///< empty: nothing is looked at
    bool running = false;
    std::map<std::string, places> found;
    std::string received;
};

namespace {

constexpr std::string_view begins = " begins", ends = " ends", mark = "cost ";

/// The next answer to a command; events come in between.
template <typename State> asio::awaitable<json::object> ask(State& here, std::string command) {
    co_await asio::async_write(here.connection, asio::buffer(command), asio::use_awaitable);
    for (;;) {
        const auto size = co_await asio::async_read_until(
            here.connection, asio::dynamic_buffer(here.received), '\n', asio::use_awaitable);
        auto answer = json::parse(here.received.substr(0, size)).as_object();
        here.received.erase(0, size);
        if (answer.contains("return"))
            co_return answer;
        if (answer.contains("error"))
            throw std::runtime_error(json::serialize(answer));
    }
}

template <typename State> asio::awaitable<void> look(std::shared_ptr<State> here) {
    try {
        co_await here->connection.async_connect({(here->folder / "qmp").string()}, asio::use_awaitable);
        co_await ask(*here, R"({"execute": "qmp_capabilities"})");
        while (!here->test.empty()) {
            // Only a machine that stands still knows all of its registers.
            co_await ask(*here, R"({"execute": "stop"})");
            const auto answer = co_await ask(
                *here,
                R"({"execute": "human-monitor-command", "arguments": {"command-line": "info registers -a"}})");
            co_await ask(*here, R"({"execute": "cont"})");
            if (!here->test.empty())
                here->found[here->test] += read_registers(answer.at("return").as_string());
            here->timer.expires_after(std::chrono::milliseconds(5));
            co_await here->timer.async_wait(asio::use_awaitable);
        }
    } catch (const std::exception&) {
        // The machine has gone: its run says why.
    }
    boost::system::error_code ignored;
    here->connection.close(ignored);
    here->received.clear();
    here->running = false;
}

} // namespace

sampler::sampler(asio::any_io_executor executor) : state_(std::make_shared<state>(executor)) {
    auto name = (fs::temp_directory_path() / "xvsock-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
        throw std::system_error(errno, std::generic_category(), name);
    state_->folder = name;
}

sampler::~sampler() {
    boost::system::error_code ignored;
    state_->test.clear();
    state_->timer.cancel();
    state_->connection.close(ignored);
    std::error_code error;
    fs::remove_all(state_->folder, error);
}

fs::path sampler::socket() const {
    return state_->folder / "qmp";
}

void sampler::heard(const std::string& line) {
    const auto at = line.find(mark);
    if (at == std::string::npos)
        return;
    const auto rest = std::string_view(line).substr(at + mark.size());
    if (rest.ends_with(ends))
        state_->test.clear();
    if (!rest.ends_with(begins))
        return;
    state_->test = rest.substr(0, rest.size() - begins.size());
    if (!state_->running) {
        state_->running = true;
        asio::co_spawn(state_->timer.get_executor(), look(state_), asio::detached);
    }
}

void sampler::write(const fs::path& file) const {
    json::array list;
    for (const auto& [test, where] : state_->found)
        list.push_back(json::object{{"test", test},
                                    {"busy", where.busy},
                                    {"hypervisor", where.hypervisor},
                                    {"kernel", where.kernel},
                                    {"user", where.user}});
    std::ofstream(file) << json::serialize(list) << '\n';
}

} // namespace xvsock::bench
