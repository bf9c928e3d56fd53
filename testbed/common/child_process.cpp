// SPDX-License-Identifier: MIT
#include "common/child_process.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sstream>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace asio = boost::asio;

namespace xvsock::testbed {

namespace {

[[noreturn]] void fail_exec(int report_fd) {
    const int error = errno;
    [[maybe_unused]] const auto written = ::write(report_fd, &error, sizeof error);
    ::_exit(127);
}

void place(int fd, int target, int report_fd) {
    const int source = fd >= 0 ? fd : ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (source < 0)
        fail_exec(report_fd);
    if (source == target) {
        if (::fcntl(source, F_SETFD, 0) < 0)
            fail_exec(report_fd);
    } else if (::dup2(source, target) < 0) {
        fail_exec(report_fd);
    }
}

// Runs between fork and exec: async-signal-safe calls only, the program is single-threaded at this point
// anyway but for libxenstore's reader.
[[noreturn]] void become(const command& what, char* const* argv, char* const* envp, pid_t parent,
                         int report_fd) {
    if (what.new_session)
        ::setsid();
    else
        ::setpgid(0, 0);
    if (what.death_signal != 0) {
        ::prctl(PR_SET_PDEATHSIG, what.death_signal);
        if (::getppid() != parent) // the parent died before prctl
            ::_exit(127);
    }
    place(what.stdin_fd, STDIN_FILENO, report_fd);
    place(what.stdout_fd, STDOUT_FILENO, report_fd);
    place(what.stderr_fd, STDERR_FILENO, report_fd);
    // What the testbed itself has inherited is nothing for its tools: mmdebstrap's fail when numbers get
    // high.
    ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    for (const int fd : what.kept_fds)
        if (::fcntl(fd, F_SETFD, 0) < 0)
            fail_exec(report_fd);
    if (what.new_session && ::isatty(STDIN_FILENO) != 0)
        ::ioctl(STDIN_FILENO, TIOCSCTTY, 0);
    if (!what.root.empty() && (::chroot(what.root.c_str()) < 0 || ::chdir("/") < 0))
        fail_exec(report_fd);
    if (!what.directory.empty() && ::chdir(what.directory.c_str()) < 0)
        fail_exec(report_fd);
    for (const int number : {SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGQUIT})
        ::signal(number, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execvpe(argv[0], argv, envp);
    fail_exec(report_fd);
}

std::vector<std::string> merged_environment(const command& what) {
    std::vector<std::string> merged;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string text = *entry;
        const std::string name = text.substr(0, text.find('='));
        bool replaced = false;
        for (const auto& [key, value] : what.environment)
            replaced = replaced || key == name;
        if (!replaced)
            merged.push_back(text);
    }
    for (const auto& [key, value] : what.environment)
        merged.push_back(fmt::format("{}={}", key, value));
    return merged;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> list;
    list.reserve(strings.size() + 1);
    for (auto& text : strings)
        list.push_back(text.data());
    list.push_back(nullptr);
    return list;
}

} // namespace

child_process::child_process(const asio::any_io_executor& executor, const command& what) : pidfd_(executor) {
    int report[2];
    if (::pipe2(report, O_CLOEXEC) < 0)
        throw std::system_error(errno, std::generic_category(), "pipe");
    auto arguments = what.argv;
    auto environment = merged_environment(what);
    const auto argv = pointers(arguments);
    const auto envp = pointers(environment);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0)
        become(what, argv.data(), envp.data(), parent, report[1]);
    const int fork_error = errno;
    ::close(report[1]);
    if (pid_ < 0) {
        ::close(report[0]);
        throw std::system_error(fork_error, std::generic_category(), "fork");
    }
    int exec_error = 0;
    ssize_t count = 0;
    do
        count = ::read(report[0], &exec_error, sizeof exec_error);
    while (count < 0 && errno == EINTR);
    ::close(report[0]);
    if (count == sizeof exec_error) {
        ::waitpid(pid_, nullptr, 0);
        throw std::system_error(exec_error, std::generic_category(),
                                fmt::format("cannot run {}", what.argv.front()));
    }
    const auto fd = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
    if (fd < 0) {
        const int error = errno;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        throw std::system_error(error, std::generic_category(), "pidfd_open");
    }
    pidfd_.assign(fd);
}

child_process::~child_process() {
    signal_group(SIGKILL);
    if (pid_ > 0 && !reaped_)
        ::waitpid(pid_, nullptr, 0);
}

asio::awaitable<int> child_process::wait() {
    co_await pidfd_.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
    int status = 0;
    if (::waitpid(pid_, &status, 0) < 0)
        throw std::system_error(errno, std::generic_category(), "waitpid");
    reaped_ = true;
    co_return status;
}

void child_process::signal_group(int number) const noexcept {
    if (pid_ > 0 && !reaped_)
        ::kill(-pid_, number);
}

std::string describe_status(int wait_status) {
    if (WIFSIGNALED(wait_status))
        return fmt::format("killed by signal {} ({})", WTERMSIG(wait_status),
                           ::strsignal(WTERMSIG(wait_status)));
    return fmt::format("exit status {}", WEXITSTATUS(wait_status));
}

std::string find_program(const std::string& name) {
    const char* path = std::getenv("PATH");
    std::istringstream folders(std::string(path != nullptr ? path : "") + ":/usr/sbin:/sbin:/usr/bin:/bin");
    for (std::string folder; std::getline(folders, folder, ':');) {
        std::string candidate = fmt::format("{}/{}", folder, name);
        if (!folder.empty() && ::access(candidate.c_str(), X_OK) == 0)
            return candidate;
    }
    return {};
}

} // namespace xvsock::testbed
