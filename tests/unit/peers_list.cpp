// SPDX-License-Identifier: MIT
// A domain's peers from xenstore, here a fake one, and from the module's counters.
#include "peer_fake_xenstore.hpp"
#include "peers/peer_list.hpp"

#include <gtest/gtest.h>

#include <boost/asio/error.hpp>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

namespace xvsock::peers {
namespace {

class peer_list : public testing::Test {
protected:
    /// A domain has one peer as frontend, one as backend, and a plain one. The fake keeps paths as they are
    /// given.
    void SetUp() override {
        fake_xenstore::reset();
        put_half("device/vsock/1", "backend-id", "1", "web", "4");
        put_half("backend/vsock/7/0", "frontend-id", "7", "database", "2");
        put_half("device/vchan/9", "backend-id", "9", "appliance", "4");
    }

    static void put_half(const std::string& path, const std::string& id_key, const std::string& id,
                         const std::string& name, const std::string& state) {
        fake_xenstore::put(path);
        fake_xenstore::put(path + "/" + id_key, id);
        fake_xenstore::put(path + "/peer-name", name);
        fake_xenstore::put(path + "/state", state);
    }
};

TEST_F(peer_list, has_the_links_of_both_halves_and_plain_ones) {
    const auto list = merge(read_links(), nullptr);
    ASSERT_EQ(list.size(), 3U);
    EXPECT_EQ(list[0].name, "web");
    EXPECT_EQ(list[0].cid, 3U);
    EXPECT_EQ(list[0].state, "Connected");
    EXPECT_FALSE(list[0].plain);
    EXPECT_EQ(list[1].name, "database");
    EXPECT_EQ(list[1].cid, 9U);
    EXPECT_EQ(list[1].state, "InitWait");
    EXPECT_EQ(list[2].name, "appliance");
    EXPECT_TRUE(list[2].plain);
    EXPECT_FALSE(list[0].connections.has_value());
}

TEST_F(peer_list, has_the_cids_and_limits_that_dom0_has_given) {
    fake_xenstore::put("device/vsock/1/peer-cid", "70000");
    fake_xenstore::put("device/vsock/1/max-connections", "10");
    fake_xenstore::put("device/vsock/1/max-memory", "much");
    fake_xenstore::put("device/vsock/1/domain-max-connections", "20");
    fake_xenstore::put("device/vsock/1/accept", "22,80,1000-2000");
    fake_xenstore::put("device/vchan/9/peer-cid", "rubbish");
    const auto list = merge(read_links(), nullptr);
    ASSERT_EQ(list.size(), 2U) << "without the one whose CID nobody knows";
    EXPECT_EQ(list[0].cid, 9U);
    EXPECT_EQ(list[0].max_connections, std::nullopt);
    EXPECT_EQ(list[1].name, "web");
    EXPECT_EQ(list[1].domid, 1U);
    EXPECT_EQ(list[1].cid, 70000U);
    EXPECT_EQ(list[1].max_connections, 10U);
    EXPECT_EQ(list[1].max_memory, 0U) << "as the module takes it";
    EXPECT_EQ(list[1].domain_max_connections, 20U);
    EXPECT_EQ(list[1].domain_max_memory, std::nullopt);
    EXPECT_EQ(list[1].accept, "22,80,1000-2000");
    EXPECT_EQ(resolver::resolve("web:80").front().endpoint(), stream_protocol::endpoint(70000, 80));
    EXPECT_EQ(resolver::resolve(stream_protocol::endpoint(70000, 80)).front().host_name(), "web");
}

TEST_F(peer_list, has_no_links_that_the_module_refuses_for_their_cids) {
    for (const auto* cid : {"0", "1", "2", "4294967295", "4294967296", "-1", "3x", ""}) {
        fake_xenstore::put("device/vsock/1/peer-cid", cid);
        EXPECT_EQ(read_links().size(), 2U) << cid << " is no CID of a guest";
    }
    for (const auto* cid : {"3", "4294967294"}) {
        fake_xenstore::put("device/vsock/1/peer-cid", cid);
        EXPECT_EQ(read_links().size(), 3U) << cid;
    }
    fake_xenstore::put("device/vsock/1/backend-id", "0");
    EXPECT_EQ(read_links().size(), 2U) << "dom0's CID is 2";
    fake_xenstore::put("device/vsock/1/peer-cid", "2");
    EXPECT_EQ(read_links().size(), 3U);
}

TEST_F(peer_list, counters_belong_to_the_peer_with_their_cid) {
    const auto counted = counters::parse_snapshot(
        "cid=3 domid=1 initiated=2 accepted=3 tx_bytes=1000 rx_bytes=2000\ncid=20 domid=18 tx_bytes=5\n", "");
    const auto list = merge(read_links(), &counted);
    ASSERT_EQ(list.size(), 4U);
    EXPECT_EQ(list[0].connections, 5U);
    EXPECT_EQ(list[0].sent_bytes, 1000U);
    EXPECT_EQ(list[0].received_bytes, 2000U);
    EXPECT_EQ(list[1].sent_bytes, std::nullopt);
    EXPECT_EQ(list[3].cid, 20U) << "whom only the module knows is shown, too";
    EXPECT_TRUE(list[3].state.empty());
}

TEST_F(peer_list, as_a_table) {
    fake_xenstore::put("device/vsock/1/max-connections", "10");
    fake_xenstore::put("device/vsock/1/accept", "22,1000-2000");
    fake_xenstore::put("device/vchan/9/accept", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15");
    const auto counted = counters::parse_snapshot(
        "cid=3 domid=1 initiated=2 accepted=3 tx_bytes=1000 rx_bytes=2000\ncid=20 domid=18 tx_bytes=5\n", "");
    EXPECT_EQ(format_table(merge(read_links(), &counted)),
              "name       domid  CID  kind    state      connections  sent  received  max-connections  "
              "max-memory  accept\n"
              "web            1    3  module  Connected            5  1000      2000               10  "
              "         -  22,1000-2000\n"
              "database       7    9  module  InitWait             -     -         -                -  "
              "         -  -\n"
              "appliance      9   11  plain   Connected            -     -         -                -  "
              "         -  1 2 3 4 5 6 7 8 9 10 11 12 13...\n"
              "-             18   20  -       -                    -     5         -                -  "
              "         -  -\n");
}

TEST_F(peer_list, what_all_peers_may_together_is_the_lowest_that_the_links_say) {
    EXPECT_EQ(format_table(merge(read_links(), nullptr)).find("together"), std::string::npos);
    fake_xenstore::put("device/vsock/1/domain-max-connections", "20");
    fake_xenstore::put("device/vchan/9/domain-max-connections", "30");
    const auto table = format_table(merge(read_links(), nullptr));
    EXPECT_TRUE(table.ends_with("\nall peers together: max-connections 20, max-memory -\n")) << table;
    fake_xenstore::put("device/vchan/9/domain-max-memory", "4096");
    EXPECT_TRUE(
        format_table(merge(read_links(), nullptr)).ends_with("max-connections 20, max-memory 4096\n"));
}

TEST_F(peer_list, as_json) {
    fake_xenstore::put("device/vsock/1/domain-max-memory", "4096");
    const auto root = boost::json::parse(format_json(merge(read_links(), nullptr), {"no counters"}));
    const auto& list = root.at("peers").as_array();
    ASSERT_EQ(list.size(), 3U);
    EXPECT_EQ(list[2].at("name"), "appliance");
    EXPECT_EQ(list[2].at("kind"), "plain");
    EXPECT_EQ(list[2].at("domid").as_int64(), 9);
    EXPECT_TRUE(list[2].at("sent_bytes").is_null());
    EXPECT_TRUE(list[2].at("max_memory").is_null());
    EXPECT_TRUE(list[2].at("accept").is_null());
    EXPECT_TRUE(list[2].at("domain_max_memory").is_null());
    EXPECT_EQ(list[0].at("domain_max_memory"), 4096);
    EXPECT_EQ(root.at("problems").at(0), "no counters");
}

TEST_F(peer_list, an_unknown_name_is_answered_by_the_known_ones) {
    EXPECT_EQ(explain_unknown("wbe:80", boost::asio::error::host_not_found),
              "no peer has the name in 'wbe:80'; the peers are web, database, appliance");
    fake_xenstore::reset();
    EXPECT_EQ(explain_unknown("wbe", boost::asio::error::host_not_found),
              "no peer has the name in 'wbe'; this domain has no peers");
}

TEST_F(peer_list, names_are_looked_up_and_not_needed) {
    EXPECT_EQ(name_of(3), "web");
    EXPECT_EQ(name_of(4), "CID 4");
    fake_xenstore::store().open_error = ECONNREFUSED;
    EXPECT_EQ(name_of(3), "CID 3");
    EXPECT_EQ(find_link(3), std::nullopt);
    EXPECT_THROW(read_links(), boost::system::system_error);
}

} // namespace
} // namespace xvsock::peers
