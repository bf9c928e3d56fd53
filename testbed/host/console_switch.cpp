// SPDX-License-Identifier: MIT
#include "host/console_switch.hpp"

#include <array>
#include <unistd.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace asio = boost::asio;

namespace xvsock::testbed {

namespace {

constexpr char escape_key = '\x1d'; // Ctrl-]
constexpr const char* end_of_input = "exit\n";
constexpr std::size_t kept = 2048;

void print(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

} // namespace

console_switch::console_switch(const asio::any_io_executor& executor, std::vector<std::string> names)
    : names_(std::move(names)), is_terminal_(::isatty(STDIN_FILENO) != 0), input_(executor) {}

console_switch::~console_switch() {
    if (started_ && is_terminal_)
        ::tcsetattr(STDIN_FILENO, TCSANOW, &saved_);
}

asio::awaitable<void> console_switch::run(typist type) {
    input_.assign(::dup(STDIN_FILENO));
    started_ = true;
    if (is_terminal_) {
        ::tcgetattr(STDIN_FILENO, &saved_);
        auto raw = saved_;
        ::cfmakeraw(&raw);
        raw.c_oflag |= OPOST; // our own lines end in \n alone
        ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
        print("Ctrl-] then: 0 dom0, 1-9 and a-g the guests, l lists, q quits, Ctrl-] itself\n");
    }
    choose(0);
    std::array<char, 4096> buffer;
    for (;;) {
        boost::system::error_code error;
        const auto count = co_await input_.async_read_some(asio::buffer(buffer),
                                                           asio::redirect_error(asio::use_awaitable, error));
        if (error == asio::error::operation_aborted)
            throw boost::system::system_error(error);
        if (error)
            break;
        if (!is_terminal_)
            co_await type(names_.front(), std::string(buffer.data(), count));
        else if (co_await typed(type, {buffer.data(), count}))
            co_return;
    }
    co_await type(names_.front(), std::string(end_of_input));
    // dom0's shell works off what was typed; its end ends the run.
    asio::steady_timer never(input_.get_executor(), asio::steady_timer::time_point::max());
    co_await never.async_wait(asio::use_awaitable);
}

// True when the person wants to leave.
asio::awaitable<bool> console_switch::typed(const typist& type, std::string_view bytes) {
    std::string plain;
    for (const char key : bytes) {
        if (in_menu_ && key != escape_key) {
            in_menu_ = false;
            if (menu(key))
                co_return true;
        } else if (!in_menu_ && key == escape_key) {
            in_menu_ = true;
        } else {
            in_menu_ = false;
            plain += key;
        }
    }
    if (!plain.empty())
        co_await type(names_[chosen_], plain);
    co_return false;
}

bool console_switch::menu(char key) {
    if (key == 'q')
        return true;
    if (key >= '0' && key <= '9')
        choose(static_cast<std::size_t>(key - '0'));
    else if (key >= 'a' && key <= 'g')
        choose(static_cast<std::size_t>(key - 'a') + 10);
    else
        for (std::size_t i = 0; i < names_.size(); ++i)
            print(fmt::format("{} {}{}\n",
                              i < 10 ? static_cast<char>('0' + i) : static_cast<char>('a' + i - 10),
                              names_[i], i == chosen_ ? " (this one)" : ""));
    return false;
}

void console_switch::choose(std::size_t index) {
    if (index >= names_.size())
        return;
    chosen_ = index;
    print(fmt::format("\n--- console of {} ---\n{}", names_[chosen_], recent_[names_[chosen_]]));
}

void console_switch::show(const std::string& name, std::string_view bytes) {
    auto& recent = recent_[name];
    recent.append(bytes);
    if (recent.size() > kept)
        recent.erase(0, recent.size() - kept);
    if (started_ && name == names_[chosen_])
        print(bytes);
}

} // namespace xvsock::testbed
