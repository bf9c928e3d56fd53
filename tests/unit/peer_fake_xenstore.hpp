// SPDX-License-Identifier: MIT
/// xenstore in memory, behind libxenstore's functions: what a test links instead of the library, and the
/// switches to make it fail.
#pragma once

#include <xvsock/xenstore/view.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <set>
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
    std::string fail_path; ///< changing this path fails with fail_error; or asking for "domain N"
    int fail_error = 0;
    std::function<void(const std::string&)> before_write; ///< is called with the path
    std::set<unsigned> gone; ///< domains that xenstored does not know any more, whatever their nodes
    std::string hidden;      ///< reading this, or what is missing below it, fails with EACCES
};

state& store();
/// To be called when nobody is connected.
void reset();

/// Connections that are open. A client that did not wait for an answer leaves one behind for a while.
extern std::atomic<int> connections;

/// Before each answer.
extern std::atomic<std::chrono::milliseconds> delay;

/// Writes a node from outside, owned by dom0.
void put(const std::string& path, const std::string& value = "");

/// Removes a node and all below it from outside.
void remove(const std::string& path);

/// Also while others change the store.
bool has(const std::string& path);

/// Adds a domain as a toolstack does.
void add_domain(unsigned id, const std::string& name);

} // namespace xvsock::fake_xenstore
