// SPDX-License-Identifier: MIT
/// Makes what is in xenstore what the policy says, link by link, and remembers what it has found.
#pragma once

#include "link_keeper.hpp"

#include <xvsock/xenstore/client.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace xvsock::peer {

/// Starts from any state that the store may be in: a daemon that was killed left each link whole or not at
/// all.
class reconciler {
public:
    using clock = std::chrono::steady_clock;

    /// Throws cid_table_error or std::system_error when there is a file that cannot be read.
    reconciler(xenstore::client& store, std::string cid_file);

    void set_policy(policy rules, std::string file);

    /// What is wrong with another policy for the domains that run now, a line each.
    std::vector<std::string> complaints_about(const policy& rules) const;

    /// Everything is looked at in the next pass, also what was found in order before.
    void forget() { wanted_.all = true; }

    /// Domains may have come or gone, or one may have another name.
    void look_for_domains() { wanted_.domains = true; }
    void look_at(domid id) { wanted_.names.insert(id); }

    /// Another pass is wanted: the present one ends early, but not before it has brought something about.
    void interrupt() { interrupted_ = true; }

    /// One look at the domains, and what follows from it. Returns whether it ran to its end. Throws
    /// std::system_error when xenstored cannot be reached; what concerns one link only is logged and tried
    /// again later.
    boost::asio::awaitable<bool> pass();

    /// When the next pass is due without anything having changed.
    std::optional<clock::time_point> due() const;

    /// The domains that the last pass found.
    const std::vector<known_domain>& domains() const { return known_; }

    /// The present view, for operators.
    boost::json::object status() const;

private:
    /// Which halves of a link there are.
    struct halves {
        bool frontend = false, backend = false;
        bool operator==(const halves&) const = default;
    };

    struct link_state {
        std::optional<planned_link> settled; ///< how it was left
        halves seen;                         ///< likewise
        bool not_ours = false;
        unsigned failures = 0; ///< in a row
        clock::time_point not_before;
        std::string trouble; ///< why it is not as it should be
    };

    void adopt(const std::vector<linked_cid>& linked);
    void identify_domains();
    void log_domains(const std::vector<known_domain>& before) const;
    boost::asio::awaitable<void> look_again();
    void take_halves(const std::map<domid, own_halves>& halves, const std::vector<running_domain>& before);
    void collect();
    bool needs_work(const link_ends& ends) const;
    std::vector<link_ends> work_now();
    const planned_link* planned(const link_ends& ends) const;
    boost::asio::awaitable<void> settle(link_ends ends);
    boost::asio::awaitable<kept> keep(link_ends ends);
    void note(const link_ends& ends, const kept& result);
    void note_failure(const link_ends& ends, const std::string& why);
    std::string name_of(domid id) const;
    std::string rule_of(const planned_link& link) const;
    std::string why_none(const link_ends& ends) const;

    xenstore::client& store_;
    std::string cid_file_;
    policy rules_;
    std::string policy_file_;
    cid_table cids_;
    uuid_holders holders_;
    glance wanted_{.all = true, .domains = false, .names = {}};
    std::vector<running_domain> running_; ///< by the last look
    std::vector<known_domain> known_;
    std::vector<std::string> complaints_;
    link_plan plan_;
    std::map<link_ends, link_state> links_;
    std::map<link_ends, halves> seen_; ///< by the last look, and by what was done since
    std::set<link_ends> unverified_;   ///< to be looked at, whatever is remembered
    std::optional<clock::time_point> save_again_;
    bool unsaved_ = false; ///< something was adopted, and the file does not have it yet
    bool adopted_ = false;
    bool interrupted_ = false;
};

} // namespace xvsock::peer
