// SPDX-License-Identifier: MIT
// An attack: one broken rule, and what the victim must make of it. The runner (main.cpp) checks after each
// that nothing is left of it, that the link can be used honestly again, and that a third guest was not
// harmed.
#pragma once

#include "connection.hpp"
#include "referee.hpp"

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace xvsock::hostile {

// For everything that should be there at once: emulated domains may stand still for seconds on a busy
// machine.
inline constexpr auto patience = 20s;

// What becomes of the link. What may_fall() does not say, the runner insists on.
enum class link_fate { survives, falls, either };

struct arena;

struct attack {
    std::string name; // subject.rule
    link_fate fate = link_fate::survives;
    std::function<void(arena&)> run; // throws when the victim does not do what it should
    int kernel_lines = 30;           // that the victim may log meanwhile; its limit is 10 per 5 s and message
};

// Everything that an attack works with.
struct arena {
    link& peer_link;
    referee& victim;
    referee& witness;
    referee& dom0;
    domid own;
    std::uint32_t own_cid;
    std::uint32_t victim_cid;
    std::function<void()> relink; // has dom0 make the link anew
    // How often bandwidth is looked at before it is called too little: emulated processors share the machine
    // with others, so one look may be wrong in either direction.
    int bandwidth_looks;
    int slack; // likewise, by what limits of time are longer than they would be alone

    // The times from attacks to the end of the victim's sockets.
    milliseconds slowest_end{0};
    unsigned ends = 0;
    unsigned slow_ends = 0; // more than a second

    // A connection whose socket in the victim does `what`; as initiator or as acceptor.
    struct pair {
        std::unique_ptr<connection> ours;
        int socket; // of the victim, for its referee
    };
    pair connected(bool as_initiator, action what);
    // The victim begins to connect; its request is not answered yet.
    pair connecting(action what, int timeout_ms = 20000);

    // The victim's socket must end soon, with one of these errors (0: end of input; none
    // given: any).
    outcome must_end(int socket, std::initializer_list<int> errors = {});
    // And the module counts that a rule was broken.
    outcome must_end_counted(int socket, const health& before, std::initializer_list<int> errors);
    void must_go_on(const pair& connection);
    // Connections to port_never_accepted, until one is refused. The victim's close_all() ends them.
    std::vector<std::unique_ptr<connection>> fill_backlog();
    // A request must be refused for this reason.
    void must_refuse(const message& request, std::uint32_t reason);
    // The victim must end the link.
    void must_fall();
    // Both sides can connect, and bytes arrive.
    void must_echo();
    void must_echo(pair& asked) const; // the victim asks, we echo

    // The victim keeps our vchan with this page, and lets go of it when it is told to.
    void must_release(grant_ref ref);
    // The victim asks us to let go of its vchan with this page, which we then say. Others are let go of, too.
    void must_ask_back(grant_ref ref);

    // Bandwidth between witness and victim, in Mbit/s.
    double witness_bandwidth() const;
    // At least half of it must be left while `storm` runs in a thread of its own, of what there is while
    // `calm` does: that keeps what the domains share as busy, but has nothing to do with the victim.
    void must_leave_bandwidth(const std::function<void(std::stop_token)>& storm,
                              const std::function<void(std::stop_token)>& calm = keep_busy);
    static void keep_busy(const std::stop_token& stop); // this domain's processor
};

// A parameter of that domain's module, for as long as this lives.
class module_parameter {
public:
    module_parameter(referee& domain, const std::string& name, std::size_t value);
    module_parameter(const module_parameter&) = delete;
    module_parameter& operator=(const module_parameter&) = delete;
    ~module_parameter();

private:
    referee& domain_;
    std::string path_;
    std::string before_;
};

// The messages about kept vchans are ours to send, or not, for as long as this lives.
class by_hand {
public:
    explicit by_hand(link& peer_link) : link_(peer_link) { link_.release_kept(false); }
    by_hand(const by_hand&) = delete;
    by_hand& operator=(const by_hand&) = delete;
    ~by_hand() { link_.release_kept(true); }

private:
    link& link_;
};

[[noreturn]] void fail(const std::string& what);
inline void require(bool condition, const std::string& what) {
    if (!condition)
        fail(what);
}

// Lists of attacks, by what they aim at.
std::vector<attack> index_attacks();   // of connections: indices, liveness, notify bytes, memory
std::vector<attack> request_attacks(); // what a REQUEST offers
std::vector<attack> growth_attacks();  // large rings
std::vector<attack> control_attacks(); // the control channel and its messages
std::vector<attack> ending_attacks();  // closes that are not what they should be
std::vector<attack> kept_attacks();    // vchans that wait for the next connection
std::vector<attack> bus_attacks();     // xenstore
std::vector<attack> storm_attacks();   // much of anything

} // namespace xvsock::hostile
