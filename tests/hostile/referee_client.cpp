// SPDX-License-Identifier: MIT
#include "referee.hpp"

#include <chrono>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

namespace xvsock::hostile {

referee::referee(const std::string& name, const std::string& host) : name_(name) {
    using namespace std::chrono_literals;
    for (int attempt = 0; attempt < 100; ++attempt) {
        stream_.connect(host, referee_port);
        if (stream_) {
            stream_.socket().set_option(boost::asio::ip::tcp::no_delay(true));
            return;
        }
        stream_.clear();
        std::this_thread::sleep_for(200ms);
    }
    throw std::runtime_error("no referee in " + name_);
}

// Every answer is "ok" or "no", the length of what follows the line, and that.
std::string referee::ask(const std::string& question) {
    stream_ << question + '\n' << std::flush; // one packet: the stream sends each piece as it comes
    std::string verdict;
    std::size_t size = 0;
    if (!(stream_ >> verdict >> size) || stream_.get() != '\n')
        throw std::runtime_error(fmt::format("the referee in {} is gone ({})", name_, question));
    std::string answer(size, '\0');
    stream_.read(answer.data(), static_cast<std::streamsize>(size));
    if (verdict != "ok")
        throw std::runtime_error(fmt::format("{}: {}", name_, answer));
    return answer;
}

int referee::connect(std::uint32_t cid, std::uint32_t port, action what, int timeout_ms) {
    return std::stoi(ask(fmt::format("connect {} {} {} {}", cid, port, static_cast<int>(what), timeout_ms)));
}

std::optional<int> referee::accepted(std::uint32_t cid, std::uint32_t port, int limit_ms) {
    const auto answer = ask(fmt::format("accepted {} {} {}", cid, port, limit_ms));
    if (answer.empty())
        return std::nullopt;
    return std::stoi(answer);
}

outcome referee::wait(int socket, int limit_ms) {
    std::istringstream answer(ask(fmt::format("wait {} {}", socket, limit_ms)));
    outcome result;
    answer >> result.ended >> result.connect_error >> result.error >> result.bytes;
    return result;
}

int referee::close_all(std::uint32_t cid) {
    return std::stoi(ask(fmt::format("close {}", cid)));
}

health referee::check() {
    std::istringstream answer(ask("check"));
    health result;
    answer >> result.module_references >> result.data_channels >> result.control_channels >>
        result.kernel_lines >> result.available_kib >> result.connections >> result.pages >>
        result.violations;
    return result;
}

std::string referee::kernel_log() {
    return ask("log");
}

std::string referee::run(const std::string& command_line) {
    return ask("run " + command_line);
}

} // namespace xvsock::hostile
