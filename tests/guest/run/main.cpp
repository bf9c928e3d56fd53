// SPDX-License-Identifier: MIT
// A TCP program to be run by `xvsock run`:
//   run-test [--gtest_…]                 tests, against
//   run-test serve                       the services in g1
//   run-test inherited FD ADDRESS [VAR]  what a test executes with a connected socket, and this variable
//   run-test accepts FD...               and with a listener, which may have several descriptors
//   run-test receives FD ADDRESS         and with a Unix socket, over which a connected one comes
#include "passing.hpp"
#include "run_test.hpp"
#include "run_tests.hpp"

#include <csignal>
#include <thread>

using namespace xvsock::guest;

namespace {

using service = void (*)(const descriptor& client, const sockaddr_in& peer);

void echo(const descriptor& client, const sockaddr_in&) {
    std::vector<char> buffer(65536);
    for (;;) {
        const auto got = ::recv(client.get(), buffer.data(), buffer.size(), 0);
        if (got <= 0 || !send_all(client.get(), buffer.data(), static_cast<std::size_t>(got)))
            return;
    }
}

void hang_up(const descriptor&, const sockaddr_in&) {}

void who(const descriptor& client, const sockaddr_in& peer) {
    char text[INET_ADDRSTRLEN] = "";
    ::inet_ntop(AF_INET, &peer.sin_addr, text, sizeof text);
    const auto line = std::string(text) + " " + std::to_string(ntohs(peer.sin_port)) + "\n";
    send_all(client.get(), line.data(), line.size());
}

void visit(const descriptor& client, const sockaddr_in& peer) {
    auto there = peer;
    there.sin_port = htons(static_cast<std::uint16_t>(std::stoi(receive_line(client.get()))));
    const auto socket = tcp_socket();
    const int error = connect_error(socket, there);
    if (error == 0)
        send_all(socket.get(), "hello\n", 6);
    const auto line = (error == 0 ? std::string("ok") : std::string(std::strerror(error))) + "\n";
    send_all(client.get(), line.data(), line.size());
    char end = 0;
    ::recv(socket.get(), &end, 1, 0); // the visited one closes first
}

[[noreturn]] void serve(std::uint16_t port, service one) {
    const auto listener = tcp_socket();
    const auto here = at("0.0.0.0", port);
    if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0 ||
        ::listen(listener.get(), 64) != 0) {
        std::perror("listen");
        std::exit(1);
    }
    for (;;) {
        sockaddr_in peer{};
        socklen_t size = sizeof peer;
        descriptor client(::accept4(listener.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC));
        if (client.get() >= 0)
            std::thread([one, peer, held = std::move(client)] { one(held, peer); }).detach();
    }
}

int serve_all() {
    std::vector<std::thread> all;
    all.emplace_back(serve, run_echo, echo);
    all.emplace_back(serve, run_hang_up, hang_up);
    all.emplace_back(serve, run_who, who);
    all.emplace_back(serve, run_visit, visit);
    for (auto& one : all)
        one.join();
    return 0;
}

int use_connected(int fd, const std::string& address) {
    const descriptor socket(fd);
    must_echo(socket.get());
    EXPECT_EQ(name_by(::getpeername, socket), std::pair(address, std::uint16_t{run_echo}));
    EXPECT_EQ(option<int>(socket, SOL_SOCKET, SO_DOMAIN), AF_INET);
    EXPECT_EQ(set(socket, IPPROTO_TCP, TCP_NODELAY, 1), 0);
    EXPECT_EQ(option<int>(socket, IPPROTO_TCP, TCP_NODELAY), 1);
    return testing::Test::HasFailure() ? 1 : 0;
}

int accept_by_each(const std::vector<std::string>& numbers) {
    for (const auto& number : numbers) {
        const descriptor listener(std::stoi(number));
        EXPECT_EQ(option<int>(listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
        must_be_hello(descriptor(::accept(listener.get(), nullptr, nullptr)));
    }
    return testing::Test::HasFailure() ? 1 : 0;
}

} // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() == 1 && words[0] == "serve") {
        ::signal(SIGPIPE, SIG_IGN);
        return serve_all();
    }
    if (words.size() >= 3 && words[0] == "inherited")
        return words.size() == 4 && std::getenv(words[3].c_str()) == nullptr
                   ? 1
                   : use_connected(std::stoi(words[1]), words[2]);
    if (words.size() == 3 && words[0] == "receives")
        return use_connected(receive_descriptor(std::stoi(words[1])), words[2]);
    if (words.size() >= 2 && words[0] == "accepts")
        return accept_by_each({words.begin() + 1, words.end()});
    if (!words.empty()) {
        std::fprintf(stderr,
                     "usage: run-test [--gtest_…] | serve | inherited FD ADDRESS [VAR] | accepts FD... | "
                     "receives FD ADDRESS\n");
        return 2;
    }
    return run_tests();
}
