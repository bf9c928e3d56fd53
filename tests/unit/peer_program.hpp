// SPDX-License-Identifier: MIT
/// xvsock-peer as its users call it, against the fake xenstore.
#pragma once

#include "peer_fake_xenstore.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

// The program's main(), under the name that its file is compiled with here.
int xvsock_peer_main(int argc, char** argv);

namespace xvsock::peer {

/// In a host of dom0, alpha, beta and gamma.
class program_test : public testing::Test {
protected:
    void SetUp() override {
        fake_xenstore::reset();
        fake_xenstore::add_domain(0, "Domain-0");
        fake_xenstore::add_domain(1, "alpha");
        fake_xenstore::add_domain(2, "beta");
        fake_xenstore::add_domain(3, "gamma");
    }

    /// Exit status; what the program printed is in out_ and err_.
    int run(std::vector<std::string> words) {
        words.insert(words.begin(), "xvsock-peer");
        std::vector<char*> argv;
        for (std::string& word : words)
            argv.push_back(word.data());
        argv.push_back(nullptr);
        testing::internal::CaptureStdout();
        testing::internal::CaptureStderr();
        const int status = xvsock_peer_main(static_cast<int>(words.size()), argv.data());
        out_ = testing::internal::GetCapturedStdout();
        err_ = testing::internal::GetCapturedStderr();
        return status;
    }

    std::string out_;
    std::string err_;
};

} // namespace xvsock::peer
