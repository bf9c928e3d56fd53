// SPDX-License-Identifier: MIT
#include "observe/command.hpp"

#include "vsock_socket.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/wait.h>
#include <unistd.h>

namespace xvsock::guest {

namespace {

descriptor tcp_socket() {
    descriptor result{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (result.get() < 0)
        throw std::system_error(errno, std::generic_category(), "socket(AF_INET)");
    return result;
}

sockaddr_in command_address(const char* host) {
    constexpr std::uint16_t port = 7100;
    sockaddr_in result{};
    result.sin_family = AF_INET;
    result.sin_port = htons(port);
    ::inet_pton(AF_INET, host, &result.sin_addr);
    return result;
}

std::string receive_to_end(int fd) {
    std::string text;
    std::array<char, 4096> buffer;
    while (const auto got = receive_all(fd, buffer.data(), buffer.size()))
        text.append(buffer.data(), got);
    return text;
}

} // namespace

child::child(std::vector<std::string> words, bool as_nobody) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        throw std::system_error(errno, std::generic_category(), "pipe");
    std::vector<char*> argv;
    for (auto& word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);

    pid_ = ::fork();
    if (pid_ < 0)
        throw std::system_error(errno, std::generic_category(), "fork");
    if (pid_ == 0) {
        const int input = ::open("/dev/null", O_RDONLY);
        ::dup2(input, STDIN_FILENO);
        ::dup2(ends[1], STDOUT_FILENO);
        ::dup2(ends[1], STDERR_FILENO);
        constexpr uid_t nobody = 65534;
        if (as_nobody && ::setuid(nobody) != 0)
            ::_exit(126);
        ::execvp(argv[0], argv.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    output_fd_ = ends[0];
}

child::~child() {
    if (pid_ > 0) {
        signal(SIGKILL);
        wait();
    }
}

bool child::read_more() {
    std::array<char, 4096> buffer;
    ssize_t got = 0;
    do {
        got = ::read(output_fd_, buffer.data(), buffer.size());
    } while (got < 0 && errno == EINTR);
    if (got > 0)
        output_.append(buffer.data(), static_cast<std::size_t>(got));
    return got > 0;
}

bool child::says(const std::string& text) {
    while (output_.find(text) == std::string::npos)
        if (!read_more())
            return false;
    return true;
}

void child::signal(int number) const {
    ::kill(pid_, number);
}

outcome child::wait() {
    while (read_more())
        ;
    ::close(output_fd_);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR)
        ;
    pid_ = -1;
    return {.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1, .output = output_};
}

outcome run(std::vector<std::string> words) {
    return child(std::move(words)).wait();
}

outcome run_as_nobody(std::vector<std::string> words) {
    return child(std::move(words), true).wait();
}

outcome shell(const std::string& line) {
    return run({"sh", "-c", line});
}

std::uint32_t other_domain::cid() const {
    return static_cast<std::uint32_t>(std::stoul(variable("CID_" + name_)));
}

outcome other_domain::shell(const std::string& line) const {
    const descriptor socket = tcp_socket();
    const sockaddr_in to = command_address(variable("IP_" + name_).c_str());
    std::string answer;
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 &&
        send_all(socket.get(), line.data(), line.size()) && ::shutdown(socket.get(), SHUT_WR) == 0)
        answer = receive_to_end(socket.get());
    // The exit status, a newline, and the output.
    const auto newline = answer.find('\n');
    if (newline == std::string::npos)
        throw std::runtime_error(name_ + " does not answer: " + line);
    return {.status = std::stoi(answer), .output = answer.substr(newline + 1)};
}

void serve_commands() {
    const descriptor listener = tcp_socket();
    const sockaddr_in at = command_address("0.0.0.0");
    if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
        ::listen(listener.get(), 8) != 0)
        throw std::system_error(errno, std::generic_category(), "listening for commands");
    for (;;) {
        const descriptor client{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
        const auto result = xvsock::guest::shell(receive_to_end(client.get()));
        const auto answer = std::to_string(result.status) + "\n" + result.output;
        send_all(client.get(), answer.data(), answer.size());
    }
}

bool eventually(const std::function<bool()>& condition) {
    for (int attempt = 0; attempt < 100; ++attempt) {
        if (condition())
            return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
    return false;
}

} // namespace xvsock::guest
