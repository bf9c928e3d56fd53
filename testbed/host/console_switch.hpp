// SPDX-License-Identifier: MIT
// One terminal for many consoles: Ctrl-] and a digit chooses which one it is.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <termios.h>

namespace xvsock::testbed {

/// Reads this program's stdin and prints the chosen console. When stdin is no terminal, all that comes from
/// it is typed in dom0, and its end ends dom0's shell.
class console_switch {
public:
    using typist = std::function<boost::asio::awaitable<void>(std::string name, std::string bytes)>;

    /// `names`: the domains, dom0 first.
    console_switch(const boost::asio::any_io_executor& executor, std::vector<std::string> names);
    console_switch(const console_switch&) = delete;
    console_switch& operator=(const console_switch&) = delete;
    /// Gives the terminal back as it was.
    ~console_switch();

    /// Takes over the terminal and hands on what is typed; returns when the person quits.
    boost::asio::awaitable<void> run(typist type);
    /// A console has printed something.
    void show(const std::string& name, std::string_view bytes);

private:
    boost::asio::awaitable<bool> typed(const typist& type, std::string_view bytes);
    bool menu(char key);
    void choose(std::size_t index);

    std::vector<std::string> names_;
    std::size_t chosen_ = 0;
    bool in_menu_ = false;
    bool started_ = false;
    bool is_terminal_ = false;
    termios saved_{};
    boost::asio::posix::stream_descriptor input_;
    std::map<std::string, std::string>
        recent_; ///< the last bytes of each console, to repeat when it is chosen
};

} // namespace xvsock::testbed
