// SPDX-License-Identifier: MIT
// A room in which each line that one says is heard by all others.
//   chat serve PORT
//   chat join DOMAIN:PORT NAME
#include <xvsock/connect.hpp>
#include <xvsock/resolver.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <unistd.h>

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using protocol = xvsock::stream_protocol;

namespace {

constexpr std::size_t max_line = 1024;
constexpr std::size_t max_waiting = 256; // lines that one who does not read may keep

class participant {
public:
    explicit participant(protocol::socket socket)
        : socket_(std::move(socket)), news_(socket_.get_executor()) {
        news_.expires_at(asio::steady_timer::time_point::max());
    }

    void tell(const std::string& line) {
        if (waiting_.size() == max_waiting)
            socket_.close(); // too slow
        waiting_.push_back(line);
        news_.cancel_one();
    }

    /// Until the peer is gone.
    template <typename Say> asio::awaitable<void> listen(Say say) {
        std::string input;
        for (;;) {
            const auto end = co_await asio::async_read_until(socket_, asio::dynamic_buffer(input, max_line),
                                                             '\n', asio::use_awaitable);
            say(input.substr(0, end));
            input.erase(0, end);
        }
    }

    asio::awaitable<void> write() {
        for (;;) {
            while (waiting_.empty()) {
                co_await news_.async_wait(asio::as_tuple(asio::use_awaitable));
                if (const auto state = co_await asio::this_coro::cancellation_state;
                    state.cancelled() != asio::cancellation_type::none)
                    co_return;
            }
            const std::string line = std::move(waiting_.front());
            waiting_.pop_front();
            co_await asio::async_write(socket_, asio::buffer(line), asio::use_awaitable);
        }
    }

private:
    protocol::socket socket_;
    asio::steady_timer news_;
    std::deque<std::string> waiting_;
};

class room {
public:
    asio::awaitable<void> welcome(protocol::socket socket) {
        const auto guest = std::make_shared<participant>(std::move(socket));
        guests_.insert(guest);
        const auto say = [&](const std::string& line) {
            for (const auto& other : guests_)
                if (other != guest)
                    other->tell(line);
        };
        try {
            co_await (guest->listen(say) || guest->write());
        } catch (const boost::system::system_error&) { // gone
        }
        guests_.erase(guest);
    }

private:
    std::set<std::shared_ptr<participant>> guests_;
};

asio::awaitable<void> serve(protocol::acceptor acceptor, room& everybody) {
    for (;;) {
        auto socket = co_await acceptor.async_accept(asio::use_awaitable);
        asio::co_spawn(acceptor.get_executor(), everybody.welcome(std::move(socket)), asio::detached);
    }
}

/// Copies lines until there are no more, each with a prefix.
template <typename From, typename To>
asio::awaitable<void> copy_lines(From& from, To& to, std::string prefix) {
    std::string input;
    for (;;) {
        const auto [error, end] = co_await asio::async_read_until(from, asio::dynamic_buffer(input, max_line),
                                                                  '\n', asio::as_tuple(asio::use_awaitable));
        if (error == asio::error::eof)
            co_return;
        if (error)
            throw boost::system::system_error(error);
        const std::string line = prefix + input.substr(0, end);
        input.erase(0, end);
        co_await asio::async_write(to, asio::buffer(line), asio::use_awaitable);
    }
}

asio::awaitable<void> join(std::string where, std::string name) {
    const auto executor = co_await asio::this_coro::executor;
    protocol::resolver names(executor);
    const auto found = co_await names.async_resolve(where, asio::use_awaitable);
    protocol::socket socket(executor);
    co_await xvsock::async_connect(socket, found.front(), asio::use_awaitable);
    std::clog << "joined " << where << std::endl;
    asio::posix::stream_descriptor keyboard(executor, ::dup(STDIN_FILENO));
    asio::posix::stream_descriptor screen(executor, ::dup(STDOUT_FILENO));
    co_await (copy_lines(socket, screen, "") || copy_lines(keyboard, socket, name + ": "));
}

} // namespace

int main(int argc, char** argv) {
    const std::string verb = argc > 1 ? argv[1] : "";
    if (!(verb == "serve" && argc == 3) && !(verb == "join" && argc == 4)) {
        std::cerr << "usage: chat serve PORT\n       chat join DOMAIN:PORT NAME\n";
        return 2;
    }
    try {
        asio::io_context context(1);
        room everybody;
        const auto rethrow = [](const std::exception_ptr& error) {
            if (error)
                std::rethrow_exception(error);
        };
        asio::signal_set signals(context, SIGINT, SIGTERM);
        signals.async_wait([&](boost::system::error_code, int) { context.stop(); });
        if (verb == "serve") {
            protocol::acceptor acceptor(context, protocol::endpoint(std::stoul(argv[2])));
            std::cout << "listening on " << acceptor.local_endpoint() << std::endl;
            asio::co_spawn(context, serve(std::move(acceptor), everybody), rethrow);
        } else {
            asio::co_spawn(context, join(argv[2], argv[3]), [&](const std::exception_ptr& error) {
                context.stop();
                rethrow(error);
            });
        }
        context.run();
    } catch (const std::exception& error) {
        std::cerr << "chat: " << error.what() << '\n';
        return 1;
    }
}
