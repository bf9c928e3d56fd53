// SPDX-License-Identifier: MIT
#include "stat/display.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace xvsock::counters {
namespace {

namespace json = boost::json;

snapshot example() {
    return parse_snapshot(
        "cid=2 domid=0 initiated=0 accepted=0 idle=0 granted_pages=0 mapped_pages=0 connected=1 refused=0 "
        "denied=0 violations=0 "
        "tx_bytes=5 rx_bytes=6 tx_messages=1 rx_messages=1 kicks=1 events=1 spurious=0 spins=2 spins_won=1\n"
        "cid=4 domid=2 initiated=1 accepted=0 idle=3 granted_pages=64 mapped_pages=0 connected=3 refused=1 "
        "denied=1 violations=0 "
        "tx_bytes=1000 rx_bytes=0 tx_messages=9 rx_messages=0 kicks=4 events=5 spurious=1 spins=0 "
        "spins_won=0 "
        "later=yes\n",
        "cid=4 id=17 role=initiator state=established local_port=1024 remote_port=7000 tx_ring=262144 "
        "rx_ring=1024 "
        "spin_ns=50000 tx_bytes=1000 rx_bytes=0 tx_messages=9 rx_messages=0 kicks=4 events=5 spurious=1 "
        "spins=0 "
        "spins_won=0\n");
}

TEST(stat_tables, have_every_counter_and_a_total) {
    EXPECT_EQ(
        format_tables(example(), false),
        "peers\n"
        "cid    domid  initiated  accepted  idle  granted_pages  mapped_pages  connected  refused  "
        "denied  violations\n"
        "2          0          0         0     0              0             0          1        0       0    "
        "       "
        "0\n"
        "4          2          1         0     3             64             0          3        1       1    "
        "       "
        "0\n"
        "total      -          1         0     3             64             0          4        1       1    "
        "       "
        "0\n"
        "\n"
        "traffic\n"
        "cid    tx_bytes  rx_bytes  tx_messages  rx_messages  kicks  events  spurious  spins  spins_won\n"
        "2             5         6            1            1      1       1         0      2          1\n"
        "4          1000         0            9            0      4       5         1      0          0\n"
        "total      1005         6           10            1      5       6         1      2          1\n");
}

TEST(stat_tables, show_connections_when_asked) {
    EXPECT_EQ(format_tables(example(), false).find("established"), std::string::npos);
    const std::string text = format_tables(example(), true);
    EXPECT_NE(
        text.find("cid  id  role       state        local_port  remote_port  tx_ring  rx_ring  spin_ns\n"
                  "4    17  initiator  established        1024         7000   262144     1024    50000\n"),
        std::string::npos)
        << text;
}

TEST(stat_tables, a_key_that_an_older_module_lacks_is_a_dash) {
    const std::string text = format_tables(parse_snapshot("cid=3 tx_bytes=9\n", ""), true);
    EXPECT_NE(text.find("3             9         -            -"), std::string::npos) << text;
}

TEST(stat_rates, say_what_was_counted_a_second) {
    auto older = parse_snapshot("cid=3 tx_bytes=100 kicks=1\ncid=4 tx_bytes=5\n",
                                "cid=3 id=1 role=acceptor tx_bytes=100\n");
    auto now = parse_snapshot("cid=3 tx_bytes=1100 kicks=4\ncid=5 tx_bytes=7\n",
                              "cid=3 id=1 role=acceptor tx_bytes=1100\n");
    now.time = older.time + std::chrono::seconds(2);
    const std::string text = format_rates(now, older, true);
    EXPECT_TRUE(text.starts_with("traffic, in 2.00 s\n")) << text;
    EXPECT_NE(text.find("connected/s"), std::string::npos);
    const auto line = [&](const std::string& start, std::size_t from = 0) {
        const auto at = text.find("\n" + start, from) + 1;
        std::string words;
        for (const char c : text.substr(at, text.find('\n', at) - at))
            if (c != ' ' || (!words.empty() && words.back() != ' '))
                words += c;
        return words;
    };
    EXPECT_EQ(line("3 "), "3 - - - - 500 - - - 1.5 - - - -");
    EXPECT_EQ(line("5 "), "5 - - - - - - - - - - - - -") << "it is new";
    EXPECT_EQ(line("total"), "total - - - - 500 - - - 1.5 - - - -");
    EXPECT_EQ(line("3 ", text.find("of connections")), "3 1 acceptor 500 - - - - - - - -");
}

TEST(stat_json, keeps_every_field) {
    const std::string text = format_json(example());
    EXPECT_EQ(text.find('\n'), text.size() - 1) << "one line";
    const auto root = json::parse(text).as_object();
    EXPECT_FALSE(root.contains("seconds"));
    const auto& peers = root.at("peers").as_array();
    ASSERT_EQ(peers.size(), 2u);
    EXPECT_EQ(peers[1].at("tx_bytes").to_number<std::uint64_t>(), 1000u);
    EXPECT_EQ(peers[1].at("later").as_string(), "yes");
    EXPECT_FALSE(peers[1].as_object().contains("rates"));
    const auto& connections = root.at("connections").as_array();
    ASSERT_EQ(connections.size(), 1u);
    EXPECT_EQ(connections[0].at("remote_port").to_number<int>(), 7000);
    EXPECT_EQ(root.at("total").at("connected").to_number<int>(), 4);
    EXPECT_EQ(format_json(parse_snapshot("", "")), "{\"peers\":[],\"connections\":[],\"total\":{}}\n");
}

TEST(stat_json, numbers_stay_exact) {
    const auto root = json::parse(format_json(parse_snapshot("cid=3 tx_bytes=18446744073709551615\n", "")));
    EXPECT_EQ(root.at("peers").at(0).at("tx_bytes").as_uint64(), UINT64_MAX);
}

TEST(stat_json, has_rates_of_what_was_there_before) {
    const auto older = parse_snapshot("cid=3 tx_bytes=100 initiated=1\n", "");
    auto now = parse_snapshot("cid=3 tx_bytes=400 initiated=5\ncid=4 tx_bytes=100\n", "");
    now.time = older.time + std::chrono::milliseconds(1500);
    const auto root = json::parse(format_json(now, &older));
    EXPECT_EQ(root.at("seconds").to_number<double>(), 1.5);
    const auto& rates = root.at("peers").at(0).at("rates").as_object();
    EXPECT_EQ(rates.at("tx_bytes").to_number<double>(), 200);
    EXPECT_FALSE(rates.contains("initiated")) << "that is no counter of events";
    EXPECT_FALSE(root.at("peers").at(1).as_object().contains("rates"));
    EXPECT_EQ(root.at("total").at("rates").at("tx_bytes").to_number<double>(), 200);
}

} // namespace
} // namespace xvsock::counters
