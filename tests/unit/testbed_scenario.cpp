// SPDX-License-Identifier: MIT
// scenario.json: defaults, every key, and what is refused with which words.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "host/debug_kernel.hpp"
#include "host/failure.hpp"
#include "host/scenario.hpp"

namespace fs = std::filesystem;
using namespace xvsock::testbed;

namespace {

class testbed_scenario : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "testbed-scenario-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
        write("guest.sh", "#!/bin/sh\n");
    }
    void TearDown() override { fs::remove_all(folder_); }

    void write(const std::string& name, const std::string& text) { std::ofstream(folder_ / name) << text; }

    scenario load(const std::string& text) {
        write("scenario.json", text);
        return load_scenario(folder_);
    }

    // The message with which the text is refused.
    std::string refusal(const std::string& text) {
        try {
            load(text);
        } catch (const failure& error) {
            EXPECT_EQ(error.code(), exit_usage);
            return error.what();
        }
        return "accepted";
    }

    void expect_refusal(const std::string& text, const std::string& part) {
        const auto message = refusal(text);
        EXPECT_NE(message.find(part), std::string::npos) << message;
        EXPECT_NE(message.find("scenario.json"), std::string::npos) << message;
    }

    fs::path folder_;
};

TEST_F(testbed_scenario, defaults) {
    const auto what = load_scenario(folder_);
    EXPECT_EQ(what.suite, "bookworm");
    ASSERT_EQ(what.guests.size(), 2U);
    EXPECT_EQ(what.guests[1].plan.name, "g2");
    EXPECT_EQ(what.guests[1].script, folder_ / "guest.sh");
    EXPECT_TRUE(what.module);
    EXPECT_EQ(what.links.size(), 3U); // dom0-g1, dom0-g2, g1-g2
    EXPECT_TRUE(what.dom0_script.empty());
    EXPECT_FALSE(what.dom0_systemd);
}

TEST_F(testbed_scenario, every_key) {
    write("other.sh", "#!/bin/sh\n");
    write("dom0.sh", "#!/bin/sh\n");
    const auto what = load(R"({"description": "d", "suite": "trixie", "timeout": 1.5, "cpus": 3,
        "dom0": {"memory": 2048, "vcpus": 2, "systemd": true, "packages": ["nmap"], "artifacts": ["p.deb"], "script": "dom0.sh"},
        "guests": [{"name": "server", "vcpus": 2, "memory": 512, "script": "other.sh", "may_die": true,
                    "systemd": true, "extra_config": ["maxvcpus = 4"], "kernel_args": "quiet"}, {"name": "idle", "script": null}],
        "packages": ["socat", "python3-minimal"], "programs": ["p"], "kernel_modules": ["dummy"], "configured": true,
        "module": true, "links": [["dom0", "server"]], "env": {"A": "x", "B": 2}, "wait_for": ["server"],
        "expect_console": ["a+"], "kernel_args": "x", "xen_args": "y"})");
    EXPECT_EQ(what.suite, "trixie");
    EXPECT_EQ(what.timeout, 1.5);
    EXPECT_EQ(what.dom0_memory, 2048);
    EXPECT_TRUE(what.dom0_systemd);
    EXPECT_EQ(what.dom0_artifacts, std::vector<std::string>{"p.deb"});
    EXPECT_EQ(what.dom0_packages, std::vector<std::string>{"nmap"});
    EXPECT_EQ(what.guests[0].script, folder_ / "other.sh");
    EXPECT_TRUE(what.guests[0].plan.may_die);
    EXPECT_TRUE(what.guests[0].plan.systemd);
    EXPECT_FALSE(what.guests[1].plan.systemd);
    EXPECT_FALSE(what.guests[1].plan.has_script);
    EXPECT_EQ(what.links.size(), 1U);
    EXPECT_EQ(what.environment[1].second, "2");
    EXPECT_EQ(what.wait_for.front(), "server");
}

TEST_F(testbed_scenario, count_of_guests) {
    const auto what = load(R"({"guests": {"count": 16, "prefix": "vm", "memory": 128}})");
    ASSERT_EQ(what.guests.size(), 16U);
    EXPECT_EQ(what.guests[15].plan.name, "vm16");
    EXPECT_EQ(what.guests[15].plan.memory, 128);
    EXPECT_EQ(what.links.size(), 136U);
}

TEST_F(testbed_scenario, a_guest_has_its_own_script) {
    write("g2.sh", "#!/bin/sh\n");
    const auto what = load_scenario(folder_);
    EXPECT_EQ(what.guests[0].script, folder_ / "guest.sh");
    EXPECT_EQ(what.guests[1].script, folder_ / "g2.sh");
}

TEST_F(testbed_scenario, settings_replace_keys) {
    write("scenario.json", R"({"timeout": 5, "dom0": {"memory": 768}})");
    const auto what = load_scenario(folder_, {{"timeout", "7"}, {"suite", "sid"}, {"dom0.vcpus", "2"}});
    EXPECT_EQ(what.timeout, 7);
    EXPECT_EQ(what.suite, "sid");
    EXPECT_EQ(what.dom0_memory, 768);
    EXPECT_EQ(what.dom0_vcpus, 2);
}

TEST_F(testbed_scenario, argo_is_told_to_xen) {
    write("scenario.json", R"({"xen_args": "sync_console"})");
    EXPECT_EQ(load_scenario(folder_).hypervisor, "suite");
    EXPECT_EQ(load_scenario(folder_).xen_args, "sync_console");
    const auto argo = load_scenario(folder_, {{"hypervisor", "argo"}, {"module_options", "data_path=argo"}});
    EXPECT_EQ(argo.xen_args, "argo=1 sync_console");
    EXPECT_EQ(argo.module_options, "data_path=argo");
}

TEST_F(testbed_scenario, the_debug_kernel_wants_more) {
    write("scenario.json", R"({"timeout": 10, "guests": [{"memory": 128}, {"memory": 4096}]})");
    const auto plain = load_scenario(folder_);
    EXPECT_EQ(plain.kernel, "suite");
    EXPECT_EQ(plain.guests[0].plan.memory, 128);
    const auto debug = load_scenario(folder_, {{"kernel", "debug"}});
    EXPECT_EQ(debug.kernel, "debug");
    EXPECT_EQ(debug.timeout, 10 * debug_kernel_slowness);
    EXPECT_EQ(debug.dom0_memory, debug_dom0_memory);
    EXPECT_EQ(debug.guests[0].plan.memory, debug_guest_memory);
    EXPECT_EQ(debug.guests[1].plan.memory, 4096);
    // The agents judge leaks, so this line alone is no failure.
    ASSERT_EQ(debug.expect_console.size(), 1U);
}

TEST_F(testbed_scenario, refusals_say_where_and_what_is_right) {
    expect_refusal(R"({"gusts": 2})", "unknown key \"gusts\"; known are");
    expect_refusal(R"({"timeout": "5"})", R"("timeout" is "5", it must be a number of seconds)");
    expect_refusal(R"({"kernel": "fast"})", R"(it must be "suite" or "debug")");
    expect_refusal(R"({"suite": "jessie"})", "one of bookworm, trixie, sid");
    expect_refusal(R"({"hypervisor": "bhyve"})", R"(it must be "suite" or, with the suite bookworm, "argo")");
    expect_refusal(R"({"hypervisor": "argo", "suite": "trixie"})", "with the suite bookworm");
    expect_refusal(R"({"guests": {"count": 17}})", "from 1 to 16");
    expect_refusal(R"({"guests": [{"name": "a b"}]})", "is no name for a guest");
    expect_refusal(R"({"guests": [{"name": "a"}, {"name": "a"}]})", "a second guest named a");
    expect_refusal(R"({"guests": [{"memroy": 1}]})", "guests[0]: unknown key \"memroy\"");
    expect_refusal(R"({"guests": [{"script": "none.sh"}]})", "there is no");
    expect_refusal(R"({"links": [["g1", "g9"]]})", "there is no domain g9");
    expect_refusal(R"({"links": [["g1", "g1"]]})", "itself");
    expect_refusal(R"({"packages": ["a;b"]})", "names of Debian packages");
    expect_refusal(R"({"wait_for": ["dom0"]})", "dom0 is none");
    expect_refusal(R"({"env": {"1A": "x"}})", "names of variables");
    expect_refusal(R"({"expect_console": ["("]})", "regular expressions");
    expect_refusal("{\n\"a\": }", "scenario.json:2: this is no JSON");
    expect_refusal("[]", "must be an object");
}

TEST_F(testbed_scenario, needs_a_script) {
    fs::remove(folder_ / "guest.sh");
    EXPECT_THROW(load_scenario(folder_), failure);
    EXPECT_THROW(load_scenario(folder_ / "nowhere"), failure);
}

} // namespace
