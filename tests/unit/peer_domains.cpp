// SPDX-License-Identifier: MIT
// Domains by name and domid.
#include "domains.hpp"
#include "peer_fake_xenstore.hpp"
#include "peer_transact.hpp"

#include <gtest/gtest.h>

namespace xvsock::peer {
namespace {

const std::vector<domain> known{{0, "Domain-0"}, {1, "alpha"}, {2, "twin"},  {3, "twin"},
                                {4, "7"},        {5, ""},      {6, "name:x"}};

TEST(domains, by_domid) {
    EXPECT_EQ(resolve_domain("0", known), 0);
    EXPECT_EQ(resolve_domain("32751", known), 32751) << "a domid needs no domain: it may have died";
    EXPECT_EQ(resolve_domain("7", known), 7) << "a domid wins over a name of digits";
    EXPECT_THROW(resolve_domain("32752", known), domain_error);
    EXPECT_THROW(resolve_domain("99999999999999999999", known), domain_error);
}

TEST(domains, by_name) {
    EXPECT_EQ(resolve_domain("alpha", known), 1);
    EXPECT_EQ(resolve_domain("name:alpha", known), 1);
    EXPECT_EQ(resolve_domain("name:7", known), 4);
    EXPECT_EQ(resolve_domain("name:name:x", known), 6);
    EXPECT_EQ(resolve_domain("Domain-0", known), 0);
    for (const char* text : {"", "name:", "nobody", "name:1", "-1", "1x", "ALPHA"})
        EXPECT_THROW(resolve_domain(text, known), domain_error) << text;
}

TEST(domains, an_ambiguous_name_lists_the_domids) {
    try {
        resolve_domain("twin", known);
        FAIL();
    } catch (const domain_error& error) {
        EXPECT_STREQ(error.what(), "2 domains are named 'twin': give one of the domids 2, 3");
    }
}

TEST(domains, an_unknown_domain_lists_the_known_ones) {
    EXPECT_NO_THROW(require_domain(5, known));
    try {
        require_domain(9, {{0, "Domain-0"}, {5, ""}});
        FAIL();
    } catch (const domain_error& error) {
        EXPECT_STREQ(error.what(), "there is no domain 9; there are 0 (Domain-0), 5");
    }
}

TEST(domains, listed_by_number) {
    fake_xenstore::reset();
    fake_xenstore::add_domain(10, "ten");
    fake_xenstore::add_domain(9, "nine");
    fake_xenstore::put("/local/domain/0/x");
    fake_xenstore::put("/local/domain/not-a-domain");
    xenstore::transact([](const xenstore::view& view) {
        EXPECT_EQ(list_domains(view), (std::vector<domain>{{0, ""}, {9, "nine"}, {10, "ten"}}));
    });
}

TEST(domains, cids) {
    EXPECT_EQ(default_cid(0), 2u);
    EXPECT_EQ(default_cid(1), 3u);
}

} // namespace
} // namespace xvsock::peer
