// SPDX-License-Identifier: MIT
// Which domain is which: names, UUIDs, clones, CIDs.
#include "daemon/identity.hpp"
#include "daemon/policy_file.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace xvsock::peer {
namespace {

std::string uuid(unsigned n) {
    return fmt::format("{:08x}-0000-4000-8000-000000000000", n);
}

running_domain runs(domid id, const std::string& name, unsigned uuid_number) {
    running_domain one;
    one.id = id;
    one.name = name;
    one.uuid = uuid_number ? uuid(uuid_number) : "";
    return one;
}

class daemon_identity : public testing::Test {
protected:
    std::vector<known_domain> identify_all(const std::vector<running_domain>& running,
                                           const std::string& policy_text = "") {
        cid_draft draft(cids_);
        auto known = identify(running, parse_policy(policy_text, "policy"), draft, holders_);
        recorded_ = draft.changed().has_value();
        if (recorded_)
            cids_ = *draft.changed();
        return known;
    }

    cid_table cids_;
    bool recorded_ = false;
    uuid_holders holders_;
};

TEST_F(daemon_identity, cids) {
    const auto known =
        identify_all({runs(0, "Domain-0", 0), runs(1, "a", 1), runs(2, "b", 2)}, "cid b 65536\ncid c 65537");
    EXPECT_EQ(known[0].cid, 2U);
    EXPECT_EQ(known[1].cid, 65538U) << "not one that is chosen for another, running or not";
    EXPECT_EQ(known[2].cid, 65536U);
}

TEST_F(daemon_identity, without_a_uuid) {
    const auto known = identify_all({runs(1, "a", 0)});
    EXPECT_EQ(known[0].problem, "it has no UUID");
    EXPECT_EQ(known[0].cid, 0U);
}

TEST_F(daemon_identity, the_first_with_a_uuid_has_it) {
    EXPECT_EQ(identify_all({runs(5, "a", 1)})[0].problem, "");
    // Domids begin anew some time, and the clone's is lower.
    auto known = identify_all({runs(3, "clone", 1), runs(5, "a", 1)});
    EXPECT_NE(known[0].problem, "");
    EXPECT_EQ(known[1].problem, "");
    known = identify_all({runs(3, "clone", 1)});
    EXPECT_EQ(known[0].problem, "");
    EXPECT_EQ(known[0].cid, 65536U);
    holders_.clear(); // as after a start, when neither has links
    known = identify_all({runs(3, "clone", 1), runs(5, "a", 1)});
    EXPECT_EQ(known[0].problem, "");
    EXPECT_NE(known[1].problem, "");
}

TEST_F(daemon_identity, names_of_two_are_nobodys) {
    const auto known = identify_all({runs(0, "Domain-0", 0), runs(1, "a", 1), runs(2, "a", 2), runs(3, "", 3),
                                     runs(4, "Domain-0", 4), runs(5, "dom0", 5), runs(6, "b", 6)});
    EXPECT_EQ(known[0].who.name, "Domain-0");
    for (const unsigned i : {1, 2, 3, 4, 5}) {
        EXPECT_EQ(known[i].who.name, std::nullopt) << i;
        EXPECT_NE(known[i].remark, "") << i;
        EXPECT_EQ(known[i].problem, "") << i;
    }
    EXPECT_NE(known[1].remark.find("other domains"), std::string::npos);
    for (const unsigned i : {4, 5})
        EXPECT_NE(known[i].remark.find("is dom0's name"), std::string::npos) << known[i].remark;
    EXPECT_EQ(known[6].who.name, "b");
    EXPECT_EQ(known[6].remark, "");
}

TEST_F(daemon_identity, a_cid_of_another) {
    identify_all({runs(1, "a", 1)});
    const auto known = identify_all({runs(2, "b", 2)}, "cid b 65536");
    EXPECT_NE(known[0].cid_remark.find("recorded for the UUID " + uuid(1)), std::string::npos);
    EXPECT_NE(known[0].cid_remark.find("xvsockd --forget " + uuid(1)), std::string::npos);
    EXPECT_EQ(known[0].problem, "");
    EXPECT_EQ(known[0].cid, 65537U) << "one of its own";
    EXPECT_TRUE(recorded_);
    EXPECT_EQ(identify_all({runs(2, "b", 2)}, "cid b 65536")[0].cid, 65537U);
    EXPECT_FALSE(recorded_) << "nothing new, whatever the policy wants";
    cids_.forget(uuid(1));
    EXPECT_EQ(identify_all({runs(2, "b", 2)}, "cid b 65536")[0].cid, 65536U);
}

TEST_F(daemon_identity, who_does_not_run_is_nobody) {
    auto dead = runs(1, "a", 1);
    dead.runs = false;
    const auto known = identify_all({dead, runs(2, "a", 1)});
    ASSERT_EQ(known.size(), 1U);
    EXPECT_EQ(known[0].who.name, "a");
    EXPECT_EQ(known[0].problem, "");
}

} // namespace
} // namespace xvsock::peer
