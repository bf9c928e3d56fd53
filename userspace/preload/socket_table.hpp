// SPDX-License-Identifier: MIT
/// What the sockets are that the program takes for TCP, by their descriptors.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include <csignal>

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

namespace xvsock::preload {

enum class kind : std::uint8_t {
    tcp,      ///< it is
    stream,   ///< an AF_VSOCK socket
    listener, ///< an epoll of a TCP and an AF_VSOCK listener, which poll() takes for one that has connections
};

/// Of one open socket, which may have several descriptors.
///
/// All of it is written with the table's mutex held. What is atomic may be read without: `what` is stored
/// last, so that who sees a listener sees its descriptors, too. The rest is read with the mutex held, but for
/// `family`, which does not change once the state is in the table.
struct socket_state {
    struct registration {
        int epoll;
        int descriptor;
        epoll_event event;
    };
    struct option {
        int level;
        int name;
        std::vector<char> value;
    };

    int family = AF_INET; ///< that the program asked for

    std::atomic<kind> what = kind::tcp;
    std::atomic<bool> connecting = false;  ///< a connect() has not been seen to end
    std::atomic<bool> connected = false;   ///< it is, or was
    std::atomic<int> tcp = -1;             ///< of a listener: the descriptors in its epoll
    std::atomic<int> vsock = -1;           ///< likewise
    std::atomic<bool> only6 = false;       ///< the program has set IPV6_V6ONLY; not of a stream
    std::atomic<bool> vsock_first = false; ///< whom accept() asks first, in turns; by nobody's mutex

    bool port_chosen = false; ///< by the program, in bind()
    sockaddr_storage peer{};  ///< as the program named it in connect()
    std::vector<int> descriptors;
    std::vector<registration> registrations; ///< in the program's epolls
    std::vector<option> options;             ///< that were set, the last ones of each name
};

/// What a listener's epoll has of each of its two.
inline epoll_event arrivals() {
    epoll_event event{};
    event.events = EPOLLIN;
    return event;
}

using state_pointer = std::shared_ptr<socket_state>;

/// Holds the table's mutex, and keeps signals out: their handlers may call what is hooked.
class table_lock {
public:
    explicit table_lock(std::mutex& mutex) {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
        held_ = std::unique_lock(mutex);
    }
    table_lock(const table_lock&) = delete;
    table_lock& operator=(const table_lock&) = delete;
    ~table_lock() {
        held_.unlock();
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }

private:
    std::unique_lock<std::mutex> held_;
    sigset_t before_{};
};

/// One for the process. Every hook looks here first, without a lock, and passes on the calls for
/// descriptors that it does not know.
class socket_table {
public:
    static socket_table& instance();

    /// Whether the descriptor is known. False in the child of a vfork(), which has descriptors of its own but
    /// this memory.
    [[nodiscard]] bool knows(int descriptor) const;
    [[nodiscard]] bool is_of_this_process() const {
        return process_.load(std::memory_order_relaxed) == ::getpid();
    }

    /// To be held for all that follows. Not for a call that may block.
    [[nodiscard]] table_lock lock() { return table_lock(mutex_); }

    /// Null for one that is not known.
    [[nodiscard]] state_pointer find(int descriptor) const;
    void add(int descriptor, const state_pointer& state);
    /// The descriptor is closed, or about to be. Closes what a listener has of its own after its last one.
    void drop(int descriptor);

    /// A descriptor of ours that the program must not close.
    [[nodiscard]] bool is_inner(int descriptor) const;
    void set_inner(int descriptor, bool is_ours);
    /// The program wants this number for something of its own.
    void make_room(int descriptor);

    /// How many posix_spawn() are under way, for which listeners' own descriptors are inherited. Protected by
    /// the mutex.
    int spawning = 0;

    /// Beyond every descriptor that anything is known of.
    [[nodiscard]] int end() const { return end_; }

    /// Notes what the program does to one of its epolls.
    static void note_registration(socket_state& state, int epoll, int operation, int descriptor,
                                  const epoll_event* event);
    /// The descriptor, which may be an epoll, is closed.
    void forget_epoll(int descriptor);

    /// All descriptors that are known, in order.
    [[nodiscard]] std::vector<int> all() const;

    static constexpr int limit = 1 << 20; ///< descriptors from here on are not known

private:
    constexpr socket_table() = default;
    void begin();
    void end_fork();
    void note(int descriptor);
    static bool in_range(int descriptor) { return descriptor >= 0 && descriptor < limit; }

    mutable std::mutex mutex_;
    sigset_t mask_before_fork_{};    ///< of the thread that forks, which has the mutex
    std::atomic<int> end_ = 0;       ///< beyond every descriptor that was ever known
    std::atomic<pid_t> process_ = 0; ///< whose memory this is; 0 before the first descriptor
    // Megabytes that are zero, of which only the pages that are used take memory. Every access is an atomic
    // one; atomic objects a compiler would initialise one by one.
    mutable std::array<state_pointer*, limit> states_{};
    mutable std::array<bool, limit> inner_{};
    mutable std::array<bool, limit> epolls_{};

    static socket_table the_one;
};

inline socket_table& socket_table::instance() {
    return the_one;
}

} // namespace xvsock::preload
