// SPDX-License-Identifier: MIT
// xvsockd and xenstored, as they run in dom0: links by policy, and everything that happens to them.
#include "daemon_fixture.hpp"

#include "daemon/cid_table.hpp"
#include "daemon/durable_file.hpp"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include <sys/resource.h>
#include <sys/wait.h>

namespace xvsock::xenstored_test {
namespace {

using xvsockd = daemon_fixture;

TEST_F(xvsockd, makes_the_links_that_the_policy_allows) {
    policy("allow a <-> b\nallow dom0 -> a port 22\nlimit a connections 5 memory 1M\n");
    start(1, "a", 1);
    start(2, "b", 2);
    start(3, "c", 3);
    daemon_process daemon(host_.folder());
    EXPECT_EQ(wrong(), "") << daemon.output();
    EXPECT_EQ(host_.read(front(2, 1) + "/accept"), "any");
    EXPECT_EQ(host_.read(front(2, 1) + "/peer-name"), "a");
    EXPECT_EQ(host_.read(front(2, 1) + "/made-by"), "xvsockd");
    EXPECT_EQ(host_.read(front(2, 1) + "/max-connections"), "5") << "of a, in b's half";
    EXPECT_EQ(host_.read(front(2, 1) + "/max-memory"), "1048576");
    EXPECT_FALSE(host_.exists(back(2, 1) + "/max-connections"));
    for (const auto& half : {back(2, 1), front(1, 0)})
        EXPECT_EQ(host_.read(half + "/domain-max-connections"), "5") << "of a's own, in all its halves";
    EXPECT_EQ(host_.read(back(2, 1) + "/domain-max-memory"), "1048576");
    EXPECT_FALSE(host_.exists(front(2, 1) + "/domain-max-connections"));
    EXPECT_EQ(host_.read(front(1, 0) + "/accept"), "22");
    EXPECT_EQ(host_.read(back(1, 0) + "/accept"), "none");
    EXPECT_EQ(host_.read(back(1, 0) + "/cid"), "2");
    EXPECT_EQ(host_.read(front(1, 0) + "/cid"), "65536");

    start(4, "b2", 4);
    start(5, "b", 5); // of the same name as 2
    EXPECT_EQ(wrong(), "") << daemon.output();
    EXPECT_FALSE(host_.exists(front(2, 1))) << "the policy says b, and there are two";
    destroy(2);
    EXPECT_EQ(wrong(), "") << daemon.output();
    EXPECT_TRUE(host_.exists(front(5, 1)));
    destroy(1);
    destroy(5);
    EXPECT_EQ(wrong(), "") << daemon.output();
}

TEST_F(xvsockd, reads_the_policy_again) {
    policy("allow a <-> b\n");
    start(1, "a", 1);
    start(2, "b", 2);
    daemon_process daemon(host_.folder());
    ASSERT_EQ(wrong(), "") << daemon.output();
    // The modules have come up, which a change of ports leaves alone.
    for (const std::string& half : {front(2, 1), back(2, 1)})
        host_.write(half + "/state", "4");
    policy("deny a -> b port 22\nallow a -> b\n");
    daemon.send(SIGHUP);
    EXPECT_TRUE(comes_true([&] { return host_.read(front(2, 1) + "/accept") == "0-21,23-4294967295"; }))
        << daemon.output();
    EXPECT_EQ(host_.read(back(2, 1) + "/accept"), "none");
    EXPECT_EQ(host_.read(front(2, 1) + "/state"), "4");
    EXPECT_EQ(host_.read(back(2, 1) + "/state"), "4");

    const auto before = host_.dump();
    policy("allow a <-> b\nalow\n");
    daemon.send(SIGHUP);
    EXPECT_TRUE(daemon.says("event=policy-kept"));
    EXPECT_TRUE(daemon.says("policy.conf:2: 'alow' is no keyword")) << daemon.output();
    daemon.send(SIGUSR1);
    start(7, "x", 7);
    EXPECT_TRUE(daemon.says("event=domain-seen domid=7"));
    domains_.clear();
    destroy(7);
    EXPECT_TRUE(daemon.says("event=domain-gone domid=7")) << "a look after all that";
    EXPECT_EQ(difference(host_.dump(), before), "");

    domains_ = {{1, {"a", uuid_of(1)}}, {2, {"b", uuid_of(2)}}};
    policy("allow a -> c\n");
    daemon.send(SIGHUP);
    EXPECT_EQ(wrong(), "") << daemon.output();
    EXPECT_TRUE(daemon.says("event=link-removed a=a a-domid=1 b=b b-domid=2 rule=none"));
}

TEST_F(xvsockd, starts_with_the_last_policy_that_was_right) {
    policy("allow a <-> b\n");
    start(1, "a", 1);
    start(2, "b", 2);
    {
        daemon_process daemon(host_.folder());
        ASSERT_EQ(wrong(), "") << daemon.output();
    }
    const std::string good = policy_;
    policy("allow a <-> c\nalow\n");
    policy_ = good;
    start(3, "c", 3);
    daemon_process daemon(host_.folder());
    EXPECT_TRUE(daemon.says("event=policy-wrong")) << daemon.output();
    EXPECT_TRUE(daemon.says("event=policy-kept"));
    EXPECT_TRUE(daemon.says("event=ready"));
    EXPECT_EQ(wrong(), "") << daemon.output();
    policy("allow a <-> c\n");
    daemon.send(SIGHUP);
    EXPECT_EQ(wrong(), "") << daemon.output();
}

TEST_F(xvsockd, ports_that_fill_a_node) {
    start(1, "a", 1);
    start(2, "b", 2);
    std::string rules;
    for (std::uint32_t n = 0; n < 250; ++n)
        rules += fmt::format("allow a <-> b port {}\n", n < 130 ? 4000000000U + 2 * n : 3 * n);
    policy(rules + "allow a <-> b ports 4100000000-4100000001\n");
    daemon_process daemon(host_.folder());
    ASSERT_EQ(wrong(), "") << daemon.output();
    EXPECT_GT(host_.read(front(2, 1) + "/accept").size(), 1900U);
    const auto before = host_.dump();
    for (std::uint32_t n = 0; n < 10; ++n)
        rules += fmt::format("allow a <-> b port {}\n", 10000 + 2 * n);
    policy(rules);
    daemon.send(SIGHUP);
    EXPECT_TRUE(daemon.says("260 ranges of ports, and a link can be held to 256")) << daemon.output();
    EXPECT_TRUE(daemon.says("event=policy-kept"));
    daemon.send(SIGUSR1);
    start(7, "x", 7);
    EXPECT_TRUE(daemon.says("event=domain-seen domid=7"));
    destroy(7);
    EXPECT_TRUE(daemon.says("event=domain-gone domid=7"));
    EXPECT_EQ(difference(host_.dump(), before), "");
}

TEST_F(xvsockd, only_one_runs) {
    policy("allow * <-> *\n");
    daemon_process first(host_.folder());
    ASSERT_TRUE(first.says("event=ready"));
    daemon_process second(host_.folder());
    EXPECT_EQ(second.wait(), 1);
    EXPECT_NE(second.output().find(fmt::format("runs already, process {}", first.id())), std::string::npos)
        << second.output();
    // Whatever folders it has.
    const std::string other = host_.folder() + "/other";
    daemon_process elsewhere(host_.folder(), {"--runtime-dir", other});
    EXPECT_EQ(elsewhere.wait(), 1);
    EXPECT_TRUE(elsewhere.says(fmt::format("runs already, process {}", first.id()))) << elsewhere.output();
    daemon_process with_other_cids(host_.folder(), {"--runtime-dir", other, "--state-dir", other});
    EXPECT_EQ(with_other_cids.wait(), 1);
    EXPECT_TRUE(with_other_cids.says("runs already: it has locked " + host_.folder()))
        << with_other_cids.output();
    first.kill_now();
    daemon_process third(host_.folder());
    EXPECT_TRUE(third.says("event=ready"));
}

TEST_F(xvsockd, forgets_a_domain_when_told_to) {
    policy("allow * <-> *\n");
    start(1, "a", 1);
    daemon_process daemon(host_.folder());
    ASSERT_EQ(wrong(), "") << daemon.output();
    const auto forget = [&](const std::string& uuid) {
        daemon_process program(host_.folder(), {"--forget", uuid});
        const auto status = program.wait();
        return fmt::format("{} {}", status.value_or(-1), program.output());
    };
    EXPECT_NE(forget(uuid_of(1)).find("Stop it first"), std::string::npos);
    destroy(1);
    daemon.kill_now();
    EXPECT_NE(forget(uuid_of(2)).find("records no CID"), std::string::npos);
    EXPECT_TRUE(forget("1").starts_with("2 "));
    EXPECT_TRUE(forget(uuid_of(1)).starts_with("0 "));
    policy("cid b 65536\nallow * <-> *\n");
    start(2, "b", 2);
    daemon_process again(host_.folder());
    ASSERT_EQ(wrong(), "") << again.output();
    EXPECT_EQ(host_.read(front(2, 0) + "/cid"), "65536");
}

TEST_F(xvsockd, links_outlive_it_and_it_finds_them_again) {
    policy("allow * <-> *\n");
    for (unsigned id = 1; id <= 4; ++id)
        start(id, fmt::format("g{}", id), id);
    {
        daemon_process daemon(host_.folder());
        ASSERT_EQ(wrong(), "") << daemon.output();
        daemon.send(SIGTERM);
        EXPECT_EQ(daemon.wait(), 0);
    }
    EXPECT_EQ(wrong(0), "");
    host_.write(front(2, 1) + "/state", "4");
    const auto before = host_.dump();
    daemon_process daemon(host_.folder());
    ASSERT_TRUE(daemon.says("event=ready"));
    EXPECT_EQ(difference(host_.dump(), before), "") << "nothing to do";
    EXPECT_EQ(daemon.output().find("event=link-"), std::string::npos) << daemon.output();
}

TEST_F(xvsockd, addresses_stay) {
    policy("cid b 70000\ncid uuid:" + uuid_of(3) + " 65536\nallow * <-> *\n");
    start(1, "a", 1);
    start(2, "b", 2);
    start(3, "c", 3);
    const auto cid = [&](unsigned id) { return host_.read(front(id, 0) + "/cid"); };
    {
        daemon_process daemon(host_.folder());
        ASSERT_EQ(wrong(), "") << daemon.output();
        EXPECT_EQ(cid(1), "65537");
        EXPECT_EQ(cid(2), "70000");
        EXPECT_EQ(cid(3), "65536");
        destroy(1);
        start(11, "a", 1); // a reboot
        start(12, "d", 4);
        ASSERT_EQ(wrong(), "") << daemon.output();
        EXPECT_EQ(cid(11), "65537");
        EXPECT_EQ(cid(12), "65538");
    }
    destroy(2);
    destroy(12);
    start(13, "b", 5); // another one of that name
    daemon_process daemon(host_.folder());
    EXPECT_TRUE(daemon.says("event=cid-not-given domid=13")) << daemon.output();
    EXPECT_TRUE(daemon.says("the CID 70000, which is recorded for the UUID " + uuid_of(2)));
    EXPECT_EQ(wrong(), "") << daemon.output();
    EXPECT_EQ(cid(13), "65539") << "its own";
    policy("cid uuid:" + uuid_of(1) + " 80000\nallow * <-> *\n");
    daemon.send(SIGHUP);
    EXPECT_TRUE(daemon.says("event=cid-changed domid=11 name=a from=65537 to=80000")) << daemon.output();
    EXPECT_EQ(wrong(), "") << daemon.output();
    EXPECT_EQ(cid(11), "80000") << "made anew";
    EXPECT_EQ(cid(13), "65539");
}

// The host starts again: xenstore is empty then, and the file is there.
TEST_F(xvsockd, addresses_outlive_the_host) {
    policy("allow * <-> *\n");
    for (unsigned n = 1; n <= 3; ++n)
        start(n, fmt::format("g{}", n), n);
    {
        daemon_process daemon(host_.folder());
        ASSERT_EQ(wrong(), "") << daemon.output();
    }
    for (unsigned n = 1; n <= 3; ++n)
        destroy(n);
    for (unsigned n = 1; n <= 4; ++n)
        start(n, fmt::format("g{}", 5 - n), 5 - n);
    host_.remove("/local/domain/0/backend/vsock");
    daemon_process daemon(host_.folder());
    ASSERT_EQ(wrong(), "") << daemon.output();
    for (unsigned n = 1; n <= 4; ++n)
        EXPECT_EQ(host_.read(front(n, 0) + "/cid"), fmt::format("{}", 65536 + 4 - n));
}

TEST_F(xvsockd, a_lost_file_of_cids_or_an_older_one_cuts_nobody) {
    policy("allow * <-> *\n");
    start(1, "a", 1);
    std::string older;
    {
        daemon_process daemon(host_.folder());
        ASSERT_EQ(wrong(), "") << daemon.output();
        older = peer::read_file(cid_file()).value();
        start(2, "b", 2);
        start(3, "c", 3);
        ASSERT_EQ(wrong(), "") << daemon.output();
        destroy(2); // and so it is known to nothing but the file
        ASSERT_EQ(wrong(), "") << daemon.output();
    }
    host_.write(front(3, 1) + "/state", "4");
    const auto before = host_.dump();
    for (const std::string& text : {std::string(), older}) {
        std::filesystem::remove(cid_file());
        if (!text.empty())
            std::ofstream(cid_file(), std::ios::binary) << text;
        daemon_process daemon(host_.folder());
        ASSERT_TRUE(daemon.says("event=ready"));
        EXPECT_TRUE(daemon.says("event=cid-adopted domid=3")) << daemon.output();
        EXPECT_EQ(difference(host_.dump(), before), "");
        start(4, "d", 4);
        EXPECT_TRUE(comes_true([&] { return host_.exists(front(4, 0) + "/state"); })) << daemon.output();
        EXPECT_EQ(host_.read(front(4, 0) + "/cid"), "65539") << "and not what b may have had";
        destroy(4);
        EXPECT_TRUE(comes_true([&] { return host_.dump() == before; })) << daemon.output();
    }
}

TEST_F(xvsockd, a_file_of_cids_that_is_not_of_this_host_is_refused) {
    policy("allow * <-> *\n");
    start(1, "a", 1);
    {
        daemon_process daemon(host_.folder());
        ASSERT_EQ(wrong(), "") << daemon.output();
    }
    peer::cid_table others;
    others.give_next(uuid_of(9), {});
    std::ofstream(cid_file(), std::ios::binary) << others.to_text();
    const auto before = host_.dump();
    daemon_process daemon(host_.folder());
    EXPECT_EQ(daemon.wait(), 3);
    EXPECT_TRUE(daemon.says("the CID 65536 is of the domain with the UUID " + uuid_of(9))) << daemon.output();
    EXPECT_EQ(difference(host_.dump(), before), "");
}

TEST_F(xvsockd, without_its_cids_it_does_nothing) {
    policy("allow * <-> *\n");
    start(1, "a", 1);
    std::ofstream(cid_file()) << "xvsock-cids 1\nnext 65536\n";
    const auto before = host_.dump();
    daemon_process daemon(host_.folder());
    EXPECT_EQ(daemon.wait(), 3);
    EXPECT_TRUE(daemon.says("cids: its checksum is wrong")) << daemon.output();
    EXPECT_EQ(difference(host_.dump(), before), "");
}

TEST_F(xvsockd, a_domain_whose_cid_cannot_be_recorded_has_no_links_until_it_can) {
    policy("allow * <-> *\n");
    start(1, "a", 1);
    start(2, "b", 2);
    daemon_process daemon(host_.folder());
    ASSERT_EQ(wrong(), "") << daemon.output();
    const rlimit full{20, RLIM_INFINITY};
    ASSERT_EQ(prlimit(daemon.id(), RLIMIT_FSIZE, &full, nullptr), 0);
    start(3, "c", 3);
    EXPECT_TRUE(daemon.says("event=cids-not-saved")) << daemon.output();
    EXPECT_TRUE(daemon.says("event=domain-refused domid=3"));
    start(4, "d", 4);
    EXPECT_TRUE(daemon.says("event=domain-seen domid=4")) << "in a later look";
    EXPECT_FALSE(host_.exists(front(3, 0)));
    EXPECT_TRUE(host_.exists(front(2, 1))) << "the others are left alone";
    const rlimit room{RLIM_INFINITY, RLIM_INFINITY};
    prlimit(daemon.id(), RLIMIT_FSIZE, &room, nullptr);
    EXPECT_TRUE(comes_true([&] { return host_.exists(front(3, 0)); })) << daemon.output();
    EXPECT_EQ(wrong(), "") << daemon.output();
    EXPECT_TRUE(host_.exists(front(3, 0)));
}

TEST_F(xvsockd, clones_and_names) {
    policy("allow a <-> b\nallow dom0 -> *\n");
    start(1, "a", 1);
    start(2, "b", 2);
    start(5, "clone", 1);
    daemon_process daemon(host_.folder());
    EXPECT_EQ(wrong(), "") << daemon.output();
    EXPECT_TRUE(
        daemon.says("event=domain-refused domid=5 name=clone why=\"domain 1 runs with the same UUID\""));
    destroy(1);
    EXPECT_EQ(wrong(), "") << daemon.output();
    EXPECT_EQ(host_.read(front(5, 0) + "/cid"), "65536") << "of that UUID";
    rename(5, "a");
    EXPECT_EQ(wrong(), "") << daemon.output();
    EXPECT_TRUE(host_.exists(front(5, 2)));
    EXPECT_TRUE(daemon.says("event=domain-renamed domid=5 from=clone to=a"));
    rename(5, "b");
    EXPECT_EQ(wrong(), "") << daemon.output();
    EXPECT_FALSE(host_.exists(back(5, 0) + "/peer-name"));
    EXPECT_TRUE(daemon.says("event=name-not-certain domid=5"));
}

TEST_F(xvsockd, what_a_dead_domain_leaves_is_removed) {
    policy("allow * <-> *\n");
    start(1, "a", 1);
    start(2, "b", 2);
    start(3, "c", 3);
    daemon_process daemon(host_.folder());
    ASSERT_EQ(wrong(), "") << daemon.output();
    host_.lose_domain(2);
    EXPECT_TRUE(comes_true([&] {
        for (const auto& [path, value] : host_.dump())
            if (path.find("vsock") != std::string::npos &&
                (path.starts_with("/local/domain/2/") || path.ends_with("/vsock/2") ||
                 path.find("/2/") != std::string::npos))
                return false;
        return true;
    })) << daemon.output();
    EXPECT_TRUE(host_.exists(front(3, 1)));
    EXPECT_TRUE(daemon.says("why=\"domain 2 is gone\"")) << daemon.output();
    host_.write("/local/domain/3/vm", "/vm/" + uuid_of(1)); // it has a's UUID from now on
    rename(3, "c2");
    EXPECT_TRUE(daemon.says("why=\"domain 3 gets no links: domain 1 runs with the same UUID\""))
        << daemon.output();
}

TEST_F(xvsockd, a_name_and_a_cid_that_change_are_both_said) {
    policy("cid c 70000\nallow * <-> *\n");
    start(1, "a", 1);
    daemon_process daemon(host_.folder());
    ASSERT_EQ(wrong(), "") << daemon.output();
    rename(1, "c");
    EXPECT_TRUE(daemon.says("event=domain-renamed domid=1 from=a to=c")) << daemon.output();
    EXPECT_TRUE(daemon.says("event=cid-changed domid=1 name=c from=65536 to=70000")) << daemon.output();
}

// ---- Links made by hand

using by_hand = daemon_fixture;

TEST_F(by_hand, are_left_alone) {
    policy("allow a <-> b\nallow a <-> d\n");
    start(1, "a", 1);
    start(2, "b", 2);
    start(3, "c", 3);
    start(4, "d", 4);
    ASSERT_EQ(xvsock_peer("add a b a c"), 0) << said_;
    ASSERT_EQ(xvsock_peer("add --plain a d --accept 22"), 0) << said_;
    const auto before = host_.dump();
    daemon_process daemon(host_.folder());
    ASSERT_TRUE(daemon.says("event=ready"));
    EXPECT_TRUE(daemon.says("event=link-left-alone", 3)) << daemon.output();
    EXPECT_TRUE(daemon.says("why=\"it was made by hand\"", 2));
    EXPECT_TRUE(daemon.says("why=\"there is a plain link between the two\""));
    std::string status;
    EXPECT_TRUE(comes_true([&] {
        std::ifstream in(host_.folder() + "/status.json");
        std::getline(in, status);
        return status.find("\"state\":\"left-alone\",\"trouble\":\"there is a plain link") !=
               std::string::npos;
    })) << status;
    daemon.send(SIGUSR1);
    start(9, "x", 9);
    EXPECT_TRUE(daemon.says("event=domain-seen domid=9"));
    destroy(9);
    EXPECT_TRUE(daemon.says("event=domain-gone domid=9"));
    EXPECT_EQ(difference(host_.dump(), before), "");

    ASSERT_EQ(xvsock_peer("remove a b a c"), 0) << said_;
    ASSERT_EQ(xvsock_peer("remove --plain a d"), 0) << said_;
    daemon.send(SIGUSR1);
    EXPECT_EQ(wrong(), "") << daemon.output();
}

TEST_F(by_hand, and_the_daemons_only_with_force) {
    policy("allow a <-> b\nlimit a connections 5\n");
    start(1, "a", 1);
    start(2, "b", 2);
    daemon_process daemon(host_.folder());
    ASSERT_EQ(wrong(), "") << daemon.output();
    EXPECT_EQ(xvsock_peer("remove a b"), 1);
    EXPECT_NE(said_.find("was made by xvsockd"), std::string::npos) << said_;
    EXPECT_EQ(xvsock_peer("add a b"), 1);
    EXPECT_EQ(xvsock_peer("list"), 0);
    EXPECT_NE(said_.find("65537"), std::string::npos) << said_;
    EXPECT_NE(said_.find("ok"), std::string::npos) << said_;
    EXPECT_EQ(wrong(0), "");
    EXPECT_EQ(xvsock_peer("remove --force a b"), 0) << said_;
    daemon.send(SIGUSR1);
    EXPECT_EQ(wrong(), "") << "made again";
    EXPECT_EQ(host_.read(back(2, 1) + "/domain-max-connections"), "5");
    EXPECT_EQ(xvsock_peer("add --force a b"), 0) << said_;
    EXPECT_EQ(host_.read(front(2, 1) + "/made-by"), "hand");
    EXPECT_EQ(host_.read(front(2, 1) + "/cid"), "65537") << "which both modules have taken";
    EXPECT_EQ(host_.read(back(2, 1) + "/peer-cid"), "65537");
    EXPECT_EQ(host_.read(front(2, 1) + "/accept"), "any");
    EXPECT_EQ(host_.read(front(2, 1) + "/max-connections"), "5");
    EXPECT_FALSE(host_.exists(back(2, 1) + "/domain-max-connections")) << "which nobody would raise here";
    daemon.send(SIGUSR1);
    EXPECT_TRUE(daemon.says("event=link-left-alone")) << daemon.output();
}

} // namespace
} // namespace xvsock::xenstored_test
