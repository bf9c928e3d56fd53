// SPDX-License-Identifier: MIT
// hostile-referee: uses the sockets of the domain that it runs in as it is asked to, and tells how they and
// the kernel fare. It believes nothing but its own system calls. See referee.hpp.
#include "referee.hpp"

#include "guest/vsock_socket.hpp"

#include <array>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/time.h>

#include <fmt/format.h>

using namespace xvsock::guest;
using namespace xvsock::hostile;
using namespace std::chrono_literals;
using boost::asio::ip::tcp;

namespace {

// A socket that is put to use by a thread of its own.
struct used_socket {
    std::uint32_t cid = 0;
    std::uint32_t port = 0; // the peer's
    descriptor fd;
    std::thread user;
    // Protected by sockets_mutex:
    outcome result;
    // The user's own count while it runs.
    std::atomic<std::uint64_t> bytes{0};
};

descriptor never_accepted; // listens; see referee.hpp

std::mutex sockets_mutex;
std::condition_variable sockets_changed;
std::map<int, std::shared_ptr<used_socket>> sockets;
int next_number = 1;

constexpr std::size_t ask_size = 5000;

int receive_until_end(used_socket& socket, bool poll_first) {
    std::vector<char> buffer(65536);
    for (;;) {
        if (poll_first) {
            pollfd entry{.fd = socket.fd.get(), .events = POLLIN, .revents = 0};
            if (::poll(&entry, 1, -1) < 0)
                return errno;
        }
        const auto got = ::recv(socket.fd.get(), buffer.data(), buffer.size(), poll_first ? MSG_DONTWAIT : 0);
        if (got == 0)
            return 0;
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return errno;
        if (got > 0)
            socket.bytes += static_cast<std::uint64_t>(got);
    }
}

int send_until_failure(used_socket& socket, bool poll_when_full) {
    const std::vector<char> buffer(65536, 'v');
    for (;;) {
        const auto sent = ::send(socket.fd.get(), buffer.data(), buffer.size(),
                                 MSG_NOSIGNAL | (poll_when_full ? MSG_DONTWAIT : 0));
        if (sent > 0)
            socket.bytes += static_cast<std::uint64_t>(sent);
        if (sent >= 0 || errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return errno;
        pollfd entry{.fd = socket.fd.get(), .events = POLLOUT, .revents = 0};
        if (::poll(&entry, 1, -1) < 0)
            return errno;
    }
}

int send_and_receive(used_socket& socket) {
    int send_error = 0;
    std::thread sender([&] { send_error = send_until_failure(socket, false); });
    const int receive_error = receive_until_end(socket, false);
    ::shutdown(socket.fd.get(), SHUT_RDWR);
    sender.join();
    return receive_error != 0 ? receive_error : send_error;
}

int echo_until_end(used_socket& socket) {
    std::vector<char> buffer(65536);
    for (;;) {
        const auto got = ::recv(socket.fd.get(), buffer.data(), buffer.size(), 0);
        if (got < 0)
            return errno;
        if (got == 0)
            return 0;
        socket.bytes += static_cast<std::uint64_t>(got);
        errno = 0;
        if (!send_all(socket.fd.get(), buffer.data(), static_cast<std::size_t>(got)))
            return errno;
    }
}

int ask_for_echo(used_socket& socket) {
    std::vector<std::uint8_t> data(ask_size);
    for (std::size_t i = 0; i < data.size(); ++i)
        data[i] = pattern(i);
    std::thread sender([&] { send_all(socket.fd.get(), data.data(), data.size()); });
    std::vector<std::uint8_t> back(data.size());
    errno = 0;
    const auto got = receive_all(socket.fd.get(), back.data(), back.size());
    const int error = errno;
    socket.bytes += got;
    if (got < back.size())
        ::shutdown(socket.fd.get(), SHUT_RDWR);
    sender.join();
    if (got < back.size())
        return error != 0 ? error : ENODATA;
    return back == data ? 0 : EBADMSG;
}

int use(used_socket& socket, action what) {
    switch (what) {
    case action::receive:
        return receive_until_end(socket, false);
    case action::send:
        return send_until_failure(socket, false);
    case action::both:
        return send_and_receive(socket);
    case action::poll:
        return receive_until_end(socket, true);
    case action::fill:
        return send_until_failure(socket, true);
    case action::half:
        send_all(socket.fd.get(), "half", 4);
        ::shutdown(socket.fd.get(), SHUT_WR);
        return receive_until_end(socket, false);
    case action::echo:
        return echo_until_end(socket);
    case action::ask:
        return ask_for_echo(socket);
    case action::idle: {
        pollfd entry{.fd = socket.fd.get(), .events = 0, .revents = 0};
        while (::poll(&entry, 1, -1) < 0)
            ;
        return 0;
    }
    case action::late:
        std::this_thread::sleep_for(300ms);
        return receive_until_end(socket, false);
    case action::hang_up:
        return 0;
    }
    return EINVAL;
}

void close_when_done(action what, used_socket& socket) {
    if (what == action::echo || what == action::ask || what == action::hang_up)
        socket.fd.close();
}

void finish(used_socket& socket, int connect_error, int error) {
    const std::lock_guard lock(sockets_mutex);
    socket.result = {true, connect_error, error, socket.bytes};
    sockets_changed.notify_all();
}

int enter(const std::shared_ptr<used_socket>& socket) {
    const std::lock_guard lock(sockets_mutex);
    sockets[next_number] = socket;
    sockets_changed.notify_all();
    return next_number++;
}

// -- what the referee can be asked ------------------------------------------------------------------------

std::string answer_connect(std::istream& words) {
    auto socket = std::make_shared<used_socket>();
    int what = 0;
    int timeout_ms = 0;
    words >> socket->cid >> socket->port >> what >> timeout_ms;
    socket->fd = make_socket();
    const timeval timeout{.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    ::setsockopt(socket->fd.get(), AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, sizeof timeout);
    const int number = enter(socket);
    socket->user = std::thread([&socket = *socket, what = static_cast<action>(what)] {
        const int error = try_connect(socket.fd.get(), socket.cid, socket.port);
        const int use_error = error == 0 ? use(socket, what) : 0;
        close_when_done(what, socket);
        finish(socket, error, use_error);
    });
    return std::to_string(number);
}

std::string answer_accepted(std::istream& words) {
    std::uint32_t cid = 0;
    std::uint32_t port = 0;
    int limit_ms = 0;
    words >> cid >> port >> limit_ms;
    std::string number;
    std::unique_lock lock(sockets_mutex);
    sockets_changed.wait_for(lock, std::chrono::milliseconds(limit_ms), [&] {
        for (const auto& [key, socket] : sockets)
            if (socket->cid == cid && socket->port == port)
                number = std::to_string(key);
        return !number.empty();
    });
    return number;
}

std::string answer_wait(std::istream& words) {
    int number = 0;
    int limit_ms = 0;
    words >> number >> limit_ms;
    std::unique_lock lock(sockets_mutex);
    const auto socket = sockets.at(number);
    sockets_changed.wait_for(lock, std::chrono::milliseconds(limit_ms), [&] { return socket->result.ended; });
    const auto& result = socket->result;
    return fmt::format("{:d} {} {} {}", result.ended, result.connect_error, result.error,
                       result.ended ? result.bytes : socket->bytes.load());
}

std::string answer_close(std::istream& words) {
    std::uint32_t cid = 0;
    words >> cid;
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::shared_ptr<used_socket>> closing;
    {
        std::unique_lock lock(sockets_mutex);
        std::erase_if(sockets, [&](const auto& entry) {
            if (entry.second->cid == cid)
                closing.push_back(entry.second);
            return entry.second->cid == cid;
        });
        for (const auto& socket : closing)
            if (!socket->result.ended)
                ::shutdown(socket->fd.get(), SHUT_RDWR);
        // A connect() that is not answered ends only with its own time.
        const bool all = sockets_changed.wait_for(lock, 30s, [&] {
            return std::all_of(closing.begin(), closing.end(),
                               [](const auto& socket) { return socket->result.ended; });
        });
        if (!all)
            throw std::runtime_error("a system call on a socket did not end within 30 s of its shutdown");
    }
    for (const auto& socket : closing) {
        socket->user.join();
        socket->fd.close();
    }
    if (never_accepted.get() >= 0) {
        never_accepted.close();
        never_accepted = listen_on(port_never_accepted, 1);
    }
    return std::to_string(
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start)
            .count());
}

// The kernel's log, from the referee's start on.
class kernel_log {
public:
    kernel_log() : file_(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
        ::lseek(file_.get(), 0, SEEK_END);
    }

    int count() {
        std::array<char, 8192> record{};
        const std::lock_guard lock(mutex_);
        for (;;) {
            const auto got = ::read(file_.get(), record.data(), record.size());
            if (got < 0 && errno == EPIPE) { // some were overwritten before they were read
                lines_ += 1000;
                continue;
            }
            if (got <= 0)
                return lines_;
            ++lines_;
            const std::string text(record.data(), static_cast<std::size_t>(got));
            if (const auto start = text.find(';'); start != std::string::npos && text_.size() < most_text)
                text_ += text.substr(start + 1);
        }
    }

    std::string take() {
        count();
        const std::lock_guard lock(mutex_);
        return std::exchange(text_, {});
    }

private:
    static constexpr std::size_t most_text = 100'000;

    std::mutex mutex_;
    descriptor file_;
    int lines_ = 0;
    std::string text_;
};

kernel_log& log_of_kernel() {
    static kernel_log log;
    return log;
}

// The sums of some fields over all lines of the module's counters.
std::array<long, 3> sum_counters() {
    static const bool mounted = [] {
        ::mount("debugfs", "/sys/kernel/debug", "debugfs", 0, nullptr);
        return true;
    }();
    (void)mounted;
    std::array<long, 3> sums{};
    std::ifstream file("/sys/kernel/debug/xvsock/peers");
    for (std::string word; file >> word;) {
        const auto equals = word.find('=');
        if (equals == std::string::npos)
            continue;
        const auto key = word.substr(0, equals);
        const auto add_to = [&](long& sum) { sum += std::stol(word.substr(equals + 1)); };
        if (key == "initiated" || key == "accepted")
            add_to(sums[0]);
        else if (key == "granted_pages" || key == "mapped_pages")
            add_to(sums[1]);
        else if (key == "violations")
            add_to(sums[2]);
    }
    return sums;
}

int count_interrupts(const std::string& name) {
    std::ifstream file("/proc/interrupts");
    int count = 0;
    for (std::string line; std::getline(file, line);)
        if (line.ends_with(" " + name))
            ++count;
    return count;
}

long available_memory() {
    std::ifstream file("/proc/meminfo");
    for (std::string key; file >> key;) {
        long value = 0;
        if (key == "MemAvailable:" && file >> value)
            return value;
    }
    return 0;
}

std::string answer_check() {
    std::ifstream file("/sys/module/xen_vsock/refcnt");
    int references = -1;
    file >> references;
    const auto [connections, pages, violations] = sum_counters();
    return fmt::format("{} {} {} {} {} {} {} {}", references, count_interrupts("xvsock"),
                       count_interrupts("xvsock-control"), log_of_kernel().count(), available_memory(),
                       connections, pages, violations);
}

std::string answer_run(std::istream& words) {
    std::string command_line;
    std::getline(words, command_line);
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(
        ::popen((command_line + " 2>&1").c_str(), "re"), [](std::FILE*) { return 0; });
    if (!pipe)
        throw std::runtime_error("cannot run " + command_line);
    std::string output;
    std::array<char, 4096> buffer{};
    while (const auto got = std::fread(buffer.data(), 1, buffer.size(), pipe.get()))
        output.append(buffer.data(), got);
    if (const int status = ::pclose(pipe.get()); status != 0)
        throw std::runtime_error(fmt::format("{}: status {}: {}", command_line, status, output));
    return output;
}

std::string answer_to(const std::string& question) {
    std::istringstream words(question);
    std::string verb;
    words >> verb;
    if (verb == "connect")
        return answer_connect(words);
    if (verb == "accepted")
        return answer_accepted(words);
    if (verb == "wait")
        return answer_wait(words);
    if (verb == "close")
        return answer_close(words);
    if (verb == "check")
        return answer_check();
    if (verb == "log")
        return log_of_kernel().take();
    if (verb == "run")
        return answer_run(words);
    throw std::runtime_error("what is " + question + "?");
}

void serve(tcp::iostream stream) {
    for (std::string question; std::getline(stream, question);) {
        std::string verdict = "ok";
        std::string answer;
        try {
            answer = answer_to(question);
        } catch (const std::exception& error) {
            verdict = "no";
            answer = error.what();
        }
        stream << fmt::format("{} {}\n{}", verdict, answer.size(), answer) << std::flush;
    }
}

// -- the services -----------------------------------------------------------------------------------------

void run_service(action what) {
    const auto listener = listen_on(service_port(what), 1024);
    for (;;) {
        auto socket = std::make_shared<used_socket>();
        sockaddr_vm from{};
        socklen_t size = sizeof from;
        socket->fd =
            descriptor{::accept4(listener.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC)};
        if (socket->fd.get() < 0) {
            std::perror("accept");
            continue;
        }
        socket->cid = from.svm_cid;
        socket->port = from.svm_port;
        if (what == action::hang_up)
            continue;
        socket->user = std::thread([socket, what] {
            const int error = use(*socket, what);
            close_when_done(what, *socket);
            finish(*socket, 0, error);
        });
        enter(socket);
    }
}

} // namespace

int main(int argc, char** argv) {
    try {
        std::signal(SIGPIPE, SIG_IGN);
        std::vector<std::thread> threads;
        if (argc == 2 && std::string_view(argv[1]) == "--sockets") {
            never_accepted = listen_on(port_never_accepted, 1);
            for (int i = 0; i <= static_cast<int>(action::hang_up); ++i)
                threads.emplace_back(run_service, static_cast<action>(i));
        }
        log_of_kernel();
        boost::asio::io_context context;
        tcp::acceptor acceptor(context, tcp::endpoint(tcp::v4(), 7100));
        for (;;) {
            tcp::iostream stream;
            acceptor.accept(stream.socket());
            stream.socket().set_option(tcp::no_delay(true));
            std::thread(serve, std::move(stream)).detach();
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "hostile-referee: %s\n", error.what());
    }
    return 1;
}
