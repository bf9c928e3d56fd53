// SPDX-License-Identifier: MIT
// Domains start, end and are renamed in random order, the policy changes, and the daemon dies, thousands of
// times: in the end the tree is what the policy says, and no CID has ever been given twice. Among them are
// clones, domids that are used again, chosen CIDs, and links made by hand. Who may talk to whom is also found
// out here, port by port, in a way that has nothing in common with the daemon's.
//
// XVSOCK_STORM is the number of events, XVSOCK_SEED begins another storm.
#include "daemon_fixture.hpp"

#include "daemon/cid_table.hpp"
#include "daemon/durable_file.hpp"

#include <csignal>
#include <cstdlib>
#include <memory>
#include <random>
#include <set>
#include <sstream>
#include <vector>

namespace xvsock::xenstored_test {
namespace {

unsigned number_in(const char* variable, unsigned otherwise) {
    const char* const text = std::getenv(variable);
    return text ? unsigned(std::strtoul(text, nullptr, 10)) : otherwise;
}

class storm : public daemon_fixture {
protected:
    static constexpr unsigned most_domains = 12, uuids = 60;

    unsigned random(unsigned below) { return unsigned(random_() % below); }

    std::string any_name() { return fmt::format("{}{}", "abcd"[random(4)], random(4)); }

    enum class kind { any, dom0, uuid, group, first_letter, name };

    /// Who a word in the policy means.
    struct who {
        kind is;
        std::string text; ///< the UUID, the letter or the name
    };

    struct storm_rule {
        bool allow, both;
        who from, to;
        unsigned first, last; ///< ports
    };

    who anybody() {
        const auto is = kind(random(6));
        if (is == kind::uuid)
            return {is, uuid_of(1 + random(uuids))};
        if (is == kind::first_letter)
            return {is, std::string(1, "abcd"[random(4)])};
        return {is, is == kind::name ? any_name() : ""};
    }

    static std::string word_for(const who& one) {
        switch (one.is) {
        case kind::any:
            return "*";
        case kind::dom0:
            return "dom0";
        case kind::uuid:
            return "uuid:" + one.text;
        case kind::group:
            return "group:g";
        case kind::first_letter:
            return one.text + "*";
        case kind::name:
            break;
        }
        return one.text;
    }

    std::string any_policy() {
        group_ = {any_name(), any_name()};
        std::string text = fmt::format("group g = {} {}\n", group_[0], group_[1]);
        rules_.clear();
        for (unsigned left = random(8); left > 0; --left) {
            storm_rule one{random(3) != 0, random(2) == 0, anybody(), anybody(), 0, ~0U};
            text += fmt::format("{} {} {} {}", one.allow ? "allow" : "deny", word_for(one.from),
                                one.both ? "<->" : "->", word_for(one.to));
            if (random(2)) {
                one.first = random(100), one.last = 100 + random(100);
                text += fmt::format(" ports {}-{}", one.first, one.last);
            }
            text += "\n";
            rules_.push_back(one);
        }
        if (random(3) == 0)
            text += fmt::format("limit {} connections {}\n", word_for(anybody()), 1 + random(9));
        for (unsigned pins = random(3); pins > 0; --pins) {
            const unsigned half = uuids / 2, uuid = (pins - 1) * half + 1 + random(half);
            text += fmt::format("cid uuid:{} {}\n", uuid_of(uuid), 70000 + 4 * pins + random(4));
            pinned_.insert(uuid);
        }
        return text;
    }

    // ---- Who may talk, by going through the rules for each port

    /// 1 if it is meant, 0 if not, -1 if nobody knows: it has no name that is its alone.
    int means(const who& one, unsigned id) const {
        if (one.is == kind::any)
            return 1;
        if (one.is == kind::dom0)
            return id == 0;
        if (one.is == kind::uuid)
            return id != 0 && domains_.at(id).uuid == one.text;
        const std::string name = id == 0 ? "Domain-0" : domains_.at(id).name;
        unsigned namesakes = 0;
        for (const auto& [other, about] : domains_)
            namesakes += about.name == name;
        if (namesakes > 1)
            return -1;
        if (one.is == kind::group)
            return name == group_[0] || name == group_[1];
        return one.is == kind::name ? name == one.text : name[0] == one.text[0];
    }

    bool applies(const storm_rule& one, unsigned from, unsigned to) const {
        const auto meant = [&](const who& left, const who& right) {
            const int a = means(left, from), b = means(right, to);
            return one.allow ? a == 1 && b == 1 : a != 0 && b != 0;
        };
        return meant(one.from, one.to) || (one.both && meant(one.to, one.from));
    }

    bool may_connect(unsigned from, unsigned to, unsigned port) const {
        for (const storm_rule& one : rules_)
            if (one.first <= port && port <= one.last && applies(one, from, to))
                return one.allow;
        return false;
    }

    static bool accepts(const std::string& text, unsigned port) {
        if (text == "any" || text == "none" || text.empty())
            return text == "any";
        std::istringstream words(text);
        for (std::string word; std::getline(words, word, ',');) {
            const auto dash = word.find('-');
            const auto first = std::stoul(word),
                       last = dash == std::string::npos ? first : std::stoul(word.substr(dash + 1));
            if (first <= port && port <= last)
                return true;
        }
        return false;
    }

    /// Of two with one UUID the older has the links, which has the lower domid here.
    bool is_clone(unsigned id) const {
        for (const auto& [other, about] : domains_)
            if (other < id && id != 0 && about.uuid == domains_.at(id).uuid)
                return true;
        return false;
    }

    void check_access() {
        std::vector<unsigned> ids{0};
        for (const auto& [id, about] : domains_)
            ids.push_back(id);
        for (const unsigned a : ids)
            for (const unsigned b : ids) {
                if (a >= b || by_hand_.contains({peer::domid(a), peer::domid(b)}))
                    continue;
                const std::string of_b = host_.read(front(b, a) + "/accept"),
                                  of_a = host_.read(back(b, a) + "/accept");
                bool any = false;
                for (unsigned port = 0; port <= 201; ++port) {
                    const bool nobody = is_clone(a) || is_clone(b);
                    const bool to_b = !nobody && may_connect(a, b, port),
                               to_a = !nobody && may_connect(b, a, port);
                    any = any || to_b || to_a;
                    ASSERT_EQ(accepts(of_b, port), to_b) << a << " to " << b << " at " << port << "\n"
                                                         << policy_;
                    ASSERT_EQ(accepts(of_a, port), to_a) << b << " to " << a << " at " << port << "\n"
                                                         << policy_;
                }
                ASSERT_EQ(!of_a.empty(), any) << a << " and " << b << "\n" << policy_;
            }
    }

    /// A UUID that no domain has now.
    unsigned free_uuid() {
        for (;;) {
            const unsigned uuid = 1 + random(uuids);
            bool is_free = true;
            for (const auto& [id, one] : domains_)
                is_free = is_free && one.uuid != uuid_of(uuid);
            if (is_free)
                return uuid;
        }
    }

    unsigned any_domain() {
        auto one = domains_.begin();
        std::advance(one, random(unsigned(domains_.size())));
        return one->first;
    }

    void start_daemon() { daemon_ = std::make_unique<daemon_process>(host_.folder()); }

    /// No CID goes to another domain, and none changes that was never chosen.
    void check_cids() {
        const auto text = peer::read_file(cid_file());
        if (!text)
            return;
        const auto table = peer::cid_table::parse(*text); // whole at any time
        for (unsigned n = 1; n <= uuids; ++n) {
            const auto cid = table.find(uuid_of(n));
            if (const auto known = cids_.find(n); known != cids_.end() && !pinned_.contains(n)) {
                ASSERT_EQ(cid, known->second);
            }
            if (cid) {
                cids_[n] = *cid;
                ASSERT_EQ(owners_.emplace(*cid, n).first->second, n);
            }
        }
    }

    void start_one() {
        // A clone is younger than the other, and so is its domid higher.
        const bool clone = !domains_.empty() && random(8) == 0;
        unsigned id = next_domid_;
        if (!clone && !free_domids_.empty() && random(4) == 0) {
            id = *free_domids_.begin();
            free_domids_.erase(id);
        } else {
            ++next_domid_;
        }
        if (!clone)
            return start(id, any_name(), free_uuid());
        const model_domain made{any_name(), domains_.at(any_domain()).uuid};
        host_.start_domain(id, made.name, made.uuid);
        domains_[id] = made;
    }

    void end_one() {
        const unsigned id = any_domain();
        destroy(id);
        const auto had = std::erase_if(
            by_hand_, [&](const auto& one) { return one.first.backend == id || one.first.frontend == id; });
        if (had == 0) // what is left of a link made by hand would be taken for one of the next domain's
            free_domids_.insert(id);
    }

    void link_by_hand() {
        const unsigned a = any_domain(), b = any_domain();
        if (a == b)
            return;
        const auto ends = peer::make_ends(peer::domid(a), peer::domid(b));
        if (random(2)) {
            if (by_hand_.contains(ends)) {
                ASSERT_EQ(xvsock_peer(fmt::format("remove {} {}", a, b)), 0) << said_;
                by_hand_.erase(ends);
                daemon_->send(SIGUSR1); // or it would see it a minute later
            }
        } else if (xvsock_peer(fmt::format("add {} {}", a, b)) == 0) { // else it is the daemon's
            auto& settings = by_hand_[ends];
            settings.backend.peer_name = domains_.at(ends.frontend).name;
            settings.frontend.peer_name = domains_.at(ends.backend).name;
        }
    }

    void one_event() {
        const unsigned what = random(100);
        if (what < 40 && domains_.size() < most_domains)
            start_one();
        else if (what < 75 && !domains_.empty())
            end_one();
        else if (what < 88 && !domains_.empty())
            rename(any_domain(), any_name());
        else if (what < 92)
            daemon_->kill_now();
        else if (what < 96)
            policy(any_policy()), daemon_->send(SIGHUP);
        else if (what < 98 && !domains_.empty())
            link_by_hand();
        if (daemon_->id() < 0)
            start_daemon();
        if (random(20) == 0) // let it get to work, so that what follows comes in between
            std::this_thread::sleep_for(std::chrono::milliseconds(random(20)));
    }

    std::mt19937 random_{number_in("XVSOCK_SEED", 1)};
    std::unique_ptr<daemon_process> daemon_;
    std::map<unsigned, std::uint32_t> cids_;   // by UUID
    std::map<std::uint32_t, unsigned> owners_; // likewise, of each CID that was ever seen
    std::set<unsigned> pinned_;                // UUIDs whose CID was ever chosen
    std::set<unsigned> free_domids_;
    unsigned next_domid_ = 1;
    std::vector<storm_rule> rules_;
    std::vector<std::string> group_;
};

TEST_F(storm, ends_with_what_the_policy_says) {
    const unsigned events = number_in("XVSOCK_STORM", 2000);
    policy(any_policy());
    start_daemon();
    for (unsigned done = 0; done < events;) {
        for (unsigned burst = 1 + random(200); burst > 0 && done < events; --burst, ++done)
            one_event();
        ASSERT_EQ(wrong(120), "") << "after " << done << " events, with the policy\n"
                                  << policy_ << daemon_->output();
        check_access();
        check_cids();
        if (HasFatalFailure())
            return;
    }
    while (!domains_.empty())
        end_one();
    EXPECT_EQ(wrong(), "") << daemon_->output();
}

} // namespace
} // namespace xvsock::xenstored_test
