// SPDX-License-Identifier: MIT
// Gives the files of one folder to clients, from the byte on that they ask for.
//   file_server PORT FOLDER
#include "file_transfer.hpp"

#include <xvsock/stream_protocol.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <iostream>

namespace asio = boost::asio;
namespace fs = std::filesystem;
using namespace file_transfer;
using protocol = xvsock::stream_protocol;

namespace {

/// What a client asks for; throws what to tell him.
struct request {
    explicit request(const std::string& line) {
        std::istringstream words(line);
        std::string verb;
        words >> verb >> offset >> sum >> std::ws;
        std::getline(words, name);
        if (!words || verb != "GET")
            throw std::runtime_error("expected GET OFFSET CHECKSUM NAME");
        if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos)
            throw std::runtime_error("a name has no slash and does not begin with a dot");
    }

    std::uint64_t offset = 0;
    std::string sum;
    std::string name;
};

asio::awaitable<void> send_line(protocol::socket& client, std::string line) {
    line += '\n';
    co_await asio::async_write(client, asio::buffer(line), asio::use_awaitable);
}

asio::awaitable<void> send_file(protocol::socket& client, const fs::path& folder, const request& wanted) {
    std::ifstream file(folder / wanted.name, std::ios::binary);
    if (!file || !fs::is_regular_file(folder / wanted.name))
        throw std::runtime_error("there is no file " + wanted.name);
    const std::uint64_t size = fs::file_size(folder / wanted.name);
    checksum sum = checksum_of(file, std::min(size, wanted.offset));
    if (wanted.offset > size || to_text(sum) != wanted.sum) {
        co_await send_line(client, "CHANGED");
        co_return;
    }
    co_await send_line(client, "OK " + std::to_string(size));
    std::vector<char> data(chunk);
    for (std::uint64_t sent = wanted.offset; sent < size;) {
        file.read(data.data(), static_cast<std::streamsize>(std::min<std::uint64_t>(chunk, size - sent)));
        const auto part = static_cast<std::size_t>(file.gcount());
        if (part == 0)
            co_return; // the file has become shorter: the client sees an end before its size
        sum.process_bytes(data.data(), part);
        co_await asio::async_write(client, asio::buffer(data, part), asio::use_awaitable);
        sent += part;
    }
    co_await send_line(client, to_text(sum));
}

asio::awaitable<void> serve(protocol::socket client, fs::path folder) {
    try {
        std::string line;
        const auto end = co_await asio::async_read_until(client, asio::dynamic_buffer(line, max_line), '\n',
                                                         asio::use_awaitable);
        std::string why;
        try {
            co_await send_file(client, folder, request(line.substr(0, end - 1)));
        } catch (const boost::system::system_error&) {
            throw;
        } catch (const std::exception& error) {
            why = error.what();
        }
        if (!why.empty())
            co_await send_line(client, "ERROR " + why);
    } catch (const boost::system::system_error& error) {
        std::clog << "a client: " << error.code().message() << '\n';
    }
}

asio::awaitable<void> listen(protocol::acceptor acceptor, fs::path folder) {
    for (;;) {
        auto client = co_await acceptor.async_accept(asio::use_awaitable);
        asio::co_spawn(acceptor.get_executor(), serve(std::move(client), folder), asio::detached);
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "usage: file_server PORT FOLDER\n";
        return 2;
    }
    try {
        asio::io_context context(1);
        protocol::acceptor acceptor(context, protocol::endpoint(std::stoul(argv[1])));
        std::cout << "listening on " << acceptor.local_endpoint() << std::endl;
        asio::co_spawn(context, listen(std::move(acceptor), argv[2]),
                       [](const std::exception_ptr& error) { std::rethrow_exception(error); });
        asio::signal_set signals(context, SIGINT, SIGTERM);
        signals.async_wait([&](boost::system::error_code, int) { context.stop(); });
        context.run();
    } catch (const std::exception& error) {
        std::cerr << "file_server: " << error.what() << '\n';
        return 1;
    }
}
