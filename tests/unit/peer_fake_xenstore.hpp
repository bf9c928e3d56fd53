// SPDX-License-Identifier: MIT
/// xenstore in memory, behind libxenstore's functions: what a test links instead of the library, and the
/// switches to make it fail.
#pragma once

#include "xenstore/xenstore_client.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <string>

namespace xvsock::fake_xenstore {

struct node {
    std::string value;
    xenstore::permissions access;

    bool operator==(const node&) const = default;
};

using tree = std::map<std::string, node>;

/// The whole store; starts with /local/domain. Reset between tests.
struct state {
    tree nodes;
    std::uint64_t commits = 0;
    int open_error = 0;    ///< errno of xs_open()
    int conflicts = 0;     ///< how many of the next commits fail with EAGAIN
    std::string fail_path; ///< changing this path fails with fail_error
    int fail_error = 0;
    std::chrono::milliseconds delay{0}; ///< before each answer
};

state& store();
void reset();

/// Writes a node from outside, owned by dom0.
void put(const std::string& path, const std::string& value = "");

/// Adds a domain as a toolstack does.
void add_domain(unsigned id, const std::string& name);

} // namespace xvsock::fake_xenstore
