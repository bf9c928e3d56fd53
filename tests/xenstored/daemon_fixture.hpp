// SPDX-License-Identifier: MIT
/// A host with xenstored, domains and a policy, for tests of the daemon.
#pragma once

#include "daemon_process.hpp"
#include "expected.hpp"
#include "xen_host.hpp"

#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>

#include <cstdio>
#include <sstream>
#include <sys/wait.h>

namespace xvsock::xenstored_test {

inline std::string uuid_of(unsigned n) {
    return fmt::format("{:08x}-0000-4000-8000-000000000000", n);
}

class daemon_fixture : public testing::Test {
protected:
    void policy(const std::string& text) {
        policy_ = text;
        std::ofstream(host_.folder() + "/policy.conf", std::ios::binary) << text;
    }
    void start(unsigned id, const std::string& name, unsigned uuid) {
        host_.start_domain(id, name, uuid_of(uuid));
        domains_[id] = {name, uuid_of(uuid)};
    }
    void destroy(unsigned id) {
        host_.destroy_domain(id);
        domains_.erase(id);
    }
    void rename(unsigned id, const std::string& name) {
        host_.rename_domain(id, name);
        domains_[id].name = name;
    }

    std::string cid_file() const { return host_.folder() + "/cids"; }

    /// What is wrong with the tree, once it has had time to become right.
    std::string wrong(unsigned seconds = 60) {
        std::string problems;
        comes_true(
            [&] {
                // Until they have, no links are expected of them, which would be taken for the end.
                std::ostringstream cids;
                cids << std::ifstream(cid_file()).rdbuf();
                for (const auto& [id, one] : domains_)
                    if (cids.str().find(" " + one.uuid + "\n") == std::string::npos) {
                        problems = fmt::format("domain {} has no CID yet", id);
                        return false;
                    }
                problems = difference(host_.dump(), expected_tree(domains_, policy_, cid_file(), by_hand_));
                return problems.empty();
            },
            seconds);
        return problems;
    }

    /// Exit status of xvsock-peer; what it printed is in said_.
    int xvsock_peer(const std::string& words) {
        said_.clear();
        FILE* const pipe = popen((XVSOCK_PEER " " + words + " 2>&1").c_str(), "re");
        char part[256];
        while (fgets(part, sizeof part, pipe))
            said_ += part;
        return WEXITSTATUS(pclose(pipe));
    }

    static std::string front(unsigned frontend, unsigned backend) {
        return fmt::format("/local/domain/{}/device/vsock/{}", frontend, backend);
    }
    static std::string back(unsigned frontend, unsigned backend) {
        return fmt::format("/local/domain/{}/backend/vsock/{}/{}", backend, frontend, backend);
    }

    xen_host host_;
    model domains_;
    hand_links by_hand_;
    std::string policy_;
    std::string said_;
};

} // namespace xvsock::xenstored_test
