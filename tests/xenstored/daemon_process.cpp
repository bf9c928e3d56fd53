// SPDX-License-Identifier: MIT
#include "daemon_process.hpp"

#include <algorithm>
#include <csignal>
#include <stdexcept>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace xvsock::xenstored_test {

daemon_process::daemon_process(const std::string& folder, std::vector<std::string> options,
                               std::vector<std::pair<std::string, std::string>> environment) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        throw std::runtime_error("no pipe");
    fcntl(ends[1], F_SETPIPE_SZ, 1 << 20); // for what it says while nobody reads
    std::vector<std::string> line{XVSOCKD, "--policy", folder + "/policy.conf"};
    for (const char* const option : {"--state-dir", "--runtime-dir"})
        if (std::ranges::find(options, option) == options.end())
            line.insert(line.end(), {option, folder});
    options.insert(options.begin(), line.begin(), line.end());
    std::vector<char*> words;
    for (std::string& option : options)
        words.push_back(option.data());
    words.push_back(nullptr);
    // What comes before the program is there to block it must not end it.
    sigset_t early, before;
    sigemptyset(&early);
    sigaddset(&early, SIGHUP);
    sigaddset(&early, SIGUSR1);
    sigprocmask(SIG_BLOCK, &early, &before);
    process_ = fork();
    if (process_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (const auto& [name, value] : environment)
            setenv(name.c_str(), value.c_str(), 1);
        dup2(ends[1], STDERR_FILENO);
        execv(XVSOCKD, words.data());
        _exit(127);
    }
    sigprocmask(SIG_SETMASK, &before, nullptr);
    close(ends[1]);
    output_ = ends[0];
    fcntl(output_, F_SETFL, O_NONBLOCK);
}

daemon_process::~daemon_process() {
    kill_now();
    close(output_);
}

void daemon_process::send(int signal) const {
    if (process_ > 0)
        kill(process_, signal);
}

std::optional<int> daemon_process::wait(unsigned seconds) {
    int status = 0;
    const bool ended = process_ > 0 && comes_true(
                                           [&] {
                                               output(); // or it may wait for us
                                               return waitpid(process_, &status, WNOHANG) == process_;
                                           },
                                           seconds);
    if (!ended)
        return std::nullopt;
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void daemon_process::kill_now() {
    if (process_ <= 0)
        return;
    send(SIGKILL);
    waitpid(process_, nullptr, 0);
    process_ = -1;
}

std::string daemon_process::output() {
    char part[4096];
    for (ssize_t length = 0; (length = read(output_, part, sizeof part)) > 0;)
        text_.append(part, std::size_t(length));
    return text_;
}

bool daemon_process::says(const std::string& text, unsigned times, unsigned seconds) {
    return comes_true(
        [&] {
            const std::string all = output();
            unsigned found = 0;
            for (std::size_t at = 0; (at = all.find(text, at)) != std::string::npos; at += text.size())
                ++found;
            return found >= times;
        },
        seconds);
}

} // namespace xvsock::xenstored_test
