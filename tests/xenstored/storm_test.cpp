// SPDX-License-Identifier: MIT
// Domains start, end and are renamed in random order, the policy changes, and the daemon dies, thousands of
// times: in the end the tree is what the policy says, and no CID has ever been given twice.
//
// XVSOCK_STORM is the number of events, XVSOCK_SEED begins another storm.
#include "daemon_fixture.hpp"

#include "daemon/cid_table.hpp"
#include "daemon/durable_file.hpp"

#include <csignal>
#include <cstdlib>
#include <memory>
#include <random>

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

    std::string any_pattern() {
        switch (random(6)) {
        case 0:
            return "*";
        case 1:
            return "dom0";
        case 2:
            return "uuid:" + uuid_of(1 + random(uuids));
        case 3:
            return "group:g";
        case 4:
            return fmt::format("{}*", "abcd"[random(4)]);
        default:
            return any_name();
        }
    }

    std::string any_policy() {
        std::string text = fmt::format("group g = {} {}\n", any_name(), any_name());
        for (unsigned rules = random(8); rules > 0; --rules) {
            text += fmt::format("{} {} {} {}", random(3) ? "allow" : "deny", any_pattern(),
                                random(2) ? "->" : "<->", any_pattern());
            text += random(2) ? "\n" : fmt::format(" ports {}-{}\n", random(100), 100 + random(100));
        }
        if (random(3) == 0)
            text += fmt::format("limit {} connections {}\n", any_pattern(), 1 + random(9));
        return text;
    }

    /// A UUID that no domain has now: the daemon's memory of who had it first is not the model's matter.
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

    /// No CID changes, goes or is given twice.
    void check_cids() {
        const auto text = peer::read_file(cid_file());
        if (!text)
            return;
        const auto table = peer::cid_table::parse(*text); // whole at any time
        std::map<std::uint32_t, unsigned> owners;
        for (unsigned n = 1; n <= uuids; ++n) {
            const auto cid = table.find(uuid_of(n));
            if (const auto known = cids_.find(n); known != cids_.end()) {
                ASSERT_EQ(cid, known->second);
            }
            if (cid) {
                cids_[n] = *cid;
                ASSERT_TRUE(owners.emplace(*cid, n).second);
            }
        }
    }

    void one_event() {
        const unsigned what = random(100);
        if (what < 40 && domains_.size() < most_domains)
            start(next_domid_++, any_name(), free_uuid());
        else if (what < 75 && !domains_.empty())
            destroy(any_domain());
        else if (what < 88 && !domains_.empty())
            rename(any_domain(), any_name());
        else if (what < 92)
            daemon_->kill_now();
        else if (what < 96)
            policy(any_policy()), daemon_->send(SIGHUP);
        if (daemon_->id() < 0)
            start_daemon();
        if (random(20) == 0) // let it get to work, so that what follows comes in between
            std::this_thread::sleep_for(std::chrono::milliseconds(random(20)));
    }

    std::mt19937 random_{number_in("XVSOCK_SEED", 1)};
    std::unique_ptr<daemon_process> daemon_;
    std::map<unsigned, std::uint32_t> cids_;
    unsigned next_domid_ = 1;
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
        check_cids();
        if (HasFatalFailure())
            return;
    }
    while (!domains_.empty())
        destroy(any_domain());
    EXPECT_EQ(wrong(), "") << daemon_->output();
}

} // namespace
} // namespace xvsock::xenstored_test
