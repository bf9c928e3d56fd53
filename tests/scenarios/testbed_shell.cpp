// SPDX-License-Identifier: MIT
// `xvsock-testbed shell` as a person uses it: on a terminal, with its menu. Called with the command to run.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

/// The program on the other side of a terminal.
class terminal_session {
public:
    explicit terminal_session(char** argv) {
        pid_ = ::forkpty(&master_, nullptr, nullptr, nullptr);
        if (pid_ < 0)
            throw std::runtime_error("forkpty");
        if (pid_ == 0) {
            ::execvp(argv[0], argv);
            ::_exit(127);
        }
    }
    terminal_session(const terminal_session&) = delete;
    terminal_session& operator=(const terminal_session&) = delete;
    ~terminal_session() {
        if (pid_ > 0) {
            ::kill(pid_, SIGTERM);
            ::waitpid(pid_, nullptr, 0);
        }
        ::close(master_);
    }

    void type(std::string_view keys) {
        if (::write(master_, keys.data(), keys.size()) != static_cast<ssize_t>(keys.size()))
            throw std::runtime_error("the terminal takes no keys");
    }

    /// Waits until the program prints the text, and forgets everything up to it.
    void expect(const std::string& text, std::chrono::seconds limit = 30s) {
        const auto end = clock_type::now() + limit;
        for (;;) {
            if (const auto at = seen_.find(text); at != std::string::npos) {
                seen_.erase(0, at + text.size());
                return;
            }
            if (!read_until(end))
                throw std::runtime_error("did not print \"" + text +
                                         "\"; after the last thing that was expected: " + seen_);
        }
    }

    [[nodiscard]] bool has_seen(const std::string& text) const {
        return seen_.find(text) != std::string::npos;
    }

    /// Waits for its end and returns the exit status.
    int end(std::chrono::seconds limit) {
        const auto last = clock_type::now() + limit;
        while (read_until(last)) {
        }
        int status = 0;
        if (clock_type::now() >= last || ::waitpid(pid_, &status, 0) != pid_)
            throw std::runtime_error("did not end");
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    }

private:
    /// Reads once; false at the program's end, or when the time is over.
    bool read_until(clock_type::time_point end) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - clock_type::now());
        pollfd ready{.fd = master_, .events = POLLIN, .revents = 0};
        if (left <= 0ms || ::poll(&ready, 1, static_cast<int>(left.count())) <= 0)
            return false;
        char buffer[4096];
        const auto count = ::read(master_, buffer, sizeof buffer);
        if (count <= 0)
            return false;
        std::fwrite(buffer, 1, static_cast<std::size_t>(count), stdout);
        seen_.append(buffer, static_cast<std::size_t>(count));
        return true;
    }

    int master_ = -1;
    pid_t pid_ = -1;
    std::string seen_;
};

constexpr const char* menu_key = "\x1d"; // Ctrl-]

void key(terminal_session& session, const std::string& choice) {
    session.type(menu_key + choice);
}

// What is typed is echoed; the sums tell the answer from the echo.
void check(terminal_session& session) {
    session.expect("Ctrl-] then:", 240s);
    session.expect("console of dom0");
    session.expect("dom0:");
    session.type("echo here-$((40+2))-$(hostname)\r");
    session.expect("here-42-dom0");

    key(session, "1");
    session.expect("console of g1");
    session.type("\recho here-$((40+3))-$(hostname)\r");
    session.expect("here-43-g1");
    session.type("lsmod | grep -c ^xen_vsock; test -t 0 && echo on-a-$((7*6))-terminal\r");
    session.expect("on-a-42-terminal");

    key(session, "2");
    session.expect("console of g2");
    session.type("\recho here-$((40+4))-$(hostname)\r");
    session.expect("here-44-g2");

    key(session, "l");
    session.expect("0 dom0");
    session.expect("2 g2 (this one)");
    key(session, "7");      // nobody's
    key(session, menu_key); // the key itself, for the guest's shell to ignore

    // Ctrl-C is the guest's, and not for the run.
    session.type("\rsh -c 'echo asleep-$((40+1)); exec sleep 1000'\r");
    session.expect("asleep-41"); // it is in the foreground
    session.type("\x03");
    session.type("\recho still-$((40+5))\r");
    session.expect("still-45");

    key(session, "0");
    session.expect("console of dom0");
    session.expect("here-42-dom0"); // what it showed last
    session.type("xvsock-peer list\r");
    session.expect("Connected");

    // A guest's shell that is left is started anew.
    key(session, "1");
    session.expect("console of g1");
    session.type("exit\r");
    std::this_thread::sleep_for(std::chrono::seconds(5)); // what is typed before the new one is there is lost
    session.type("\recho again-$((40+6))\r");
    session.expect("again-46");

    key(session, "q");
    session.expect("collecting results");
    session.expect("passed");
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: testbed_shell COMMAND...\n");
        return 2;
    }
    try {
        terminal_session session(argv + 1);
        check(session);
        const int status = session.end(60s);
        if (status != 0)
            throw std::runtime_error("ended with exit status " + std::to_string(status));
    } catch (const std::exception& problem) {
        std::printf("\nFAILED: %s\n", problem.what());
        return 1;
    }
    return 0;
}
