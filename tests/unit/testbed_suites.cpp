// SPDX-License-Identifier: MIT
// Where packages come from: apt's own sources, for every suite.
#include <gtest/gtest.h>

#include "host/failure.hpp"
#include "host/suites.hpp"

using namespace xvsock::testbed;

namespace {

TEST(testbed_suites, mirrors_come_from_apt) {
    const auto found = parse_mirrors("https://example.org/tools nodistro main\n"
                                     "http://mirror.example/debian bookworm main\n"
                                     "http://mirror.example/debian bookworm-updates main\n"
                                     "http://mirror.example/security bookworm-security main\n");
    EXPECT_EQ(found.main, "http://mirror.example/debian");
    EXPECT_EQ(found.security, "http://mirror.example/security");
}

TEST(testbed_suites, security_has_its_usual_place) {
    EXPECT_EQ(parse_mirrors("http://m/debian trixie main\n").security, "http://m/debian-security");
}

TEST(testbed_suites, no_debian_archive_is_told) {
    EXPECT_THROW(parse_mirrors("https://example.org/tools nodistro main\n"), failure);
    EXPECT_THROW(parse_mirrors(""), failure);
}

TEST(testbed_suites, sources_of_each_suite) {
    const mirrors from{"http://m/debian", "http://s/security"};
    const auto stable = sources_list("bookworm", from);
    EXPECT_NE(stable.find(" http://m/debian bookworm main\n"), std::string::npos);
    EXPECT_NE(stable.find(" http://m/debian bookworm-updates main\n"), std::string::npos);
    EXPECT_NE(stable.find(" http://s/security bookworm-security main\n"), std::string::npos);
    EXPECT_EQ(stable.find("backports"), std::string::npos);
    EXPECT_NE(sources_list("bookworm-backports", from).find(" bookworm-backports main\n"), std::string::npos);
    EXPECT_EQ(sources_list("sid", from).find("security"), std::string::npos);
}

TEST(testbed_suites, names) {
    EXPECT_TRUE(is_image_suite("trixie"));
    EXPECT_FALSE(is_image_suite("bookworm-backports"));
    EXPECT_EQ(image_suite_named("sid").userland, "trixie");
    EXPECT_THROW(image_suite_named("woody"), failure);
}

TEST(testbed_suites, takes_over_how_this_machine_reaches_its_mirrors) {
    const auto options = inherited_apt_options("Acquire \"\";\n"
                                               "Acquire::Languages \"none\";\n"
                                               "Acquire::http \"\";\n"
                                               "Acquire::http::Proxy \"http://proxy:3142\";\n"
                                               "Acquire::https::Proxy \"DIRECT\";\n"
                                               "Acquire::Check-Valid-Until \"false\";\n"
                                               "Acquire::Check-Date \"false\";\n");
    EXPECT_EQ(options, (std::vector<std::string>{"Acquire::http::Proxy \"http://proxy:3142\";",
                                                 "Acquire::https::Proxy \"DIRECT\";",
                                                 "Acquire::Check-Valid-Until \"false\";"}));
}

} // namespace
