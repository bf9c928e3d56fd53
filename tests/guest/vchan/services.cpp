// SPDX-License-Identifier: MIT
// The other end of vchan-test: vchan-services CLIENT PATH offers a vchan for commands at PATH to the domain
// CLIENT. A command is a line, and so is its answer. It then goes on by itself:
// - echo AT: offers a vchan there, and gives back what it reads until that ends
// - source AT N: offers one, writes N bytes of the pattern and closes
// - sink AT: offers one, and reads until the end
// - result AT: waits for the end of that; answers how many bytes of the pattern there were, and the error
// - stuck AT: offers one, and neither reads nor writes
// - visit AT: connects to one that the client's domain offers, and gives back what it reads
// - nothing
// - die: ends by SIGKILL
#include "pattern.hpp"

#include <xvsock/vchan_stream.hpp>

#include <boost/asio.hpp>
#include <csignal>
#include <iostream>
#include <list>
#include <map>
#include <sstream>

namespace {

using namespace xvsock;
using namespace xvsock::guest;
namespace asio = boost::asio;
using asio::use_awaitable;
using boost::system::error_code;

constexpr auto with_error = asio::as_tuple(use_awaitable);

class services {
public:
    services(asio::io_context& context, unsigned client) : context_(context), client_(client) {}

    asio::awaitable<void> take_commands(std::string path) {
        const vchan_address address{client_, std::move(path)};
        for (;;) {
            vchan_stream commands(context_);
            co_await commands.async_accept(address, {}, use_awaitable);
            co_await answer(commands);
        }
    }

private:
    asio::awaitable<void> answer(vchan_stream& commands) {
        std::string line;
        const auto [error, size] =
            co_await asio::async_read_until(commands, asio::dynamic_buffer(line, 200), '\n', with_error);
        if (error)
            co_return; // a client that has changed its mind
        std::istringstream words(line);
        std::string what;
        std::string path;
        std::uint64_t bytes = 0;
        words >> what >> path >> bytes;
        std::string said = "ok\n";
        if (what == "result")
            said = co_await result(path);
        else
            begin(what, path, bytes);
        co_await asio::async_write(commands, asio::buffer(said), with_error);
        co_await commands.async_close(with_error);
    }

    void begin(const std::string& what, const std::string& path, std::uint64_t bytes) {
        const vchan_address address{client_, path};
        if (what == "echo")
            spawn(echo(address));
        else if (what == "source")
            spawn(source(address, bytes));
        else if (what == "sink")
            spawn(sink(address));
        else if (what == "stuck")
            spawn(stuck(address));
        else if (what == "visit")
            spawn(visit(address));
        else if (what == "die")
            ::raise(SIGKILL);
        else if (what != "nothing")
            std::cerr << "unknown command: " << what << '\n';
    }

    void spawn(asio::awaitable<void> body) {
        asio::co_spawn(context_, std::move(body), [](const std::exception_ptr& error) {
            try {
                if (error)
                    std::rethrow_exception(error);
            } catch (const std::exception& what) {
                std::cout << "a service ends: " << what.what() << std::endl;
            }
        });
    }

    asio::awaitable<void> echo(vchan_address address) {
        vchan_stream stream(context_);
        const vchan_rings rings{1 << 14, 1 << 15};
        co_await stream.async_accept(address, rings, use_awaitable);
        co_await give_back(stream);
    }

    asio::awaitable<void> visit(vchan_address address) {
        vchan_stream stream(context_);
        co_await stream.async_connect(address, use_awaitable);
        co_await give_back(stream);
    }

    static asio::awaitable<void> give_back(vchan_stream& stream) {
        std::vector<char> buffer(100'000);
        error_code error;
        while (!error) {
            const auto [read_error, size] = co_await stream.async_read_some(asio::buffer(buffer), with_error);
            error = read_error;
            if (!error)
                co_await asio::async_write(stream, asio::buffer(buffer.data(), size), use_awaitable);
        }
        co_await stream.async_close(with_error);
    }

    asio::awaitable<void> source(vchan_address address, std::uint64_t bytes) {
        vchan_stream stream(context_);
        co_await stream.async_accept(address, {}, use_awaitable);
        for (std::uint64_t done = 0; done < bytes;)
            done += co_await asio::async_write(stream, pattern_.at(done, bytes - done), use_awaitable);
        co_await stream.async_close(use_awaitable);
    }

    asio::awaitable<void> sink(vchan_address address) {
        vchan_stream stream(context_);
        co_await stream.async_accept(address, {}, use_awaitable);
        std::vector<char> buffer(100'000);
        std::uint64_t got = 0;
        error_code error;
        while (!error) {
            const auto [read_error, size] = co_await stream.async_read_some(asio::buffer(buffer), with_error);
            error = read_error;
            if (!pattern_.is_at(got, buffer.data(), size))
                error = make_error_code(boost::system::errc::illegal_byte_sequence);
            got += size;
        }
        co_await stream.async_close(with_error);
        results_[address.path] = std::to_string(got) + " " + error.message() + "\n";
        changed_.cancel();
    }

    asio::awaitable<std::string> result(std::string path) {
        while (!results_.contains(path))
            co_await changed_.async_wait(with_error);
        co_return results_.extract(path).mapped();
    }

    asio::awaitable<void> stuck(vchan_address address) {
        auto& stream = stuck_.emplace_back(context_);
        co_await stream.async_accept(address, {}, use_awaitable);
    }

    asio::io_context& context_;
    unsigned client_;
    pattern pattern_;
    std::map<std::string, std::string> results_;
    std::list<vchan_stream> stuck_;
    asio::steady_timer changed_{context_, asio::steady_timer::time_point::max()};
};

} // namespace

int main(int argc, char** argv) {
    try {
        if (argc != 3)
            throw std::invalid_argument("usage: vchan-services CLIENT PATH");
        asio::io_context context;
        services all(context, static_cast<unsigned>(std::stoul(argv[1])));
        asio::signal_set signals(context, SIGINT, SIGTERM);
        signals.async_wait([&](const error_code&, int) { context.stop(); });
        asio::co_spawn(context, all.take_commands(argv[2]), [](const std::exception_ptr& error) {
            if (error)
                std::rethrow_exception(error);
        });
        context.run();
        return EXIT_SUCCESS;
    } catch (const std::exception& error) {
        std::cerr << "vchan-services: " << error.what() << '\n';
        return EXIT_FAILURE;
    }
}
