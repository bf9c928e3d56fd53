// SPDX-License-Identifier: MIT
#include "expected.hpp"

#include "daemon/cid_table.hpp"
#include "daemon/durable_file.hpp"
#include "daemon/plan.hpp"
#include "daemon/policy_file.hpp"

#include <fmt/format.h>
#include <set>

namespace xvsock::xenstored_test {

namespace {

void add_domain(tree& nodes, unsigned id, const model_domain& one) {
    const std::string home = fmt::format("/local/domain/{}", id), access = fmt::format("(n0 r{})", id);
    nodes[home] = " " + access;
    nodes[home + "/vm"] = fmt::format("/vm/{} {}", one.uuid, access);
    nodes[home + "/domid"] = fmt::format("{} {}", id, access);
    nodes[home + "/name"] = fmt::format("{} {}", one.name, access);
    nodes[home + "/device"] = " " + access;
    nodes[home + "/data"] = fmt::format(" (n{} r0)", id);
}

void add_link(tree& nodes, const peer::link_layout& layout) {
    for (const auto* list : {&layout.parents, &layout.nodes})
        for (const peer::wanted_node& node : *list)
            nodes.emplace(node.path, fmt::format("{} ({})", node.value, to_string(node.access)));
}

} // namespace

tree expected_tree(const model& domains, const std::string& policy_text, const std::string& cid_file,
                   const hand_links& by_hand) {
    tree nodes{{"/local/domain", " (n0)"},
               {"/local/domain/0", " (n0)"},
               {"/local/domain/0/domid", "0 (n0)"},
               {"/local/domain/0/name", "Domain-0 (n0)"},
               {"/local/domain/0/backend", " (n0)"}};
    const auto text = peer::read_file(cid_file);
    const auto cids = text ? peer::cid_table::parse(*text) : peer::cid_table{};
    std::map<std::string, unsigned> names;
    for (const auto& [id, one] : domains)
        ++names[one.name];
    std::vector<peer::known_domain> known{
        {.who = {0, "", "Domain-0"}, .name = "Domain-0", .cid = 2, .problem = "", .remark = ""}};
    std::set<std::string> uuids;
    for (const auto& [id, one] : domains) {
        add_domain(nodes, id, one);
        peer::known_domain made{.who = {peer::domid(id), one.uuid, one.name},
                                .name = one.name,
                                .cid = cids.find(one.uuid).value_or(0),
                                .problem = "",
                                .remark = ""};
        if (names[one.name] > 1)
            made.who.name.reset();
        if (!uuids.insert(one.uuid).second || made.cid == 0)
            made.problem = "no links";
        known.push_back(made);
    }
    std::vector<std::string> complaints;
    for (const auto& [ends, link] : plan_links(known, peer::parse_policy(policy_text, "policy"), complaints))
        if (!by_hand.contains(ends))
            add_link(nodes, make_layout(ends, link.settings));
    for (const auto& [ends, settings] : by_hand)
        add_link(nodes, make_layout(ends, settings));
    return nodes;
}

std::string difference(const tree& found, const tree& expected) {
    std::string text;
    for (const auto& [path, value] : expected)
        if (const auto one = found.find(path); one == found.end() || one->second != value)
            text += fmt::format("expected {} = {}, found {}\n", path, value,
                                one == found.end() ? "none" : one->second);
    for (const auto& [path, value] : found)
        if (!expected.contains(path))
            text += fmt::format("found {} = {}, expected none\n", path, value);
    return text;
}

} // namespace xvsock::xenstored_test
