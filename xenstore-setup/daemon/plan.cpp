// SPDX-License-Identifier: MIT
#include "plan.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace xvsock::peer {

namespace {

verdict judge(const policy& rules, const known_domain& from, const known_domain& to,
              std::vector<std::string>& complaints) {
    verdict result = rules.judge(from.who, to.who);
    if (const std::string why = too_many_for_a_link(result.ports); !why.empty()) {
        complaints.push_back(fmt::format("domain {} may connect to domain {} at {}: it may connect to none",
                                         from.who.id, to.who.id, why));
        return {};
    }
    return result;
}

/// What `self` is told of its peer, which may connect to these ports of it.
end_settings settings_of(const known_domain& self, const known_domain& peer, const port_set& accept,
                         const policy& rules) {
    const limits most = rules.limits_of(peer.who), own = rules.limits_of(self.who);
    return {.peer_name = peer.who.name.value_or(""),
            .cid = self.cid,
            .peer_cid = peer.cid,
            .accept = to_string(accept),
            .max_connections = most.connections,
            .max_memory = most.memory,
            .domain_max_connections = own.connections,
            .domain_max_memory = own.memory};
}

} // namespace

link_plan plan_links(const std::vector<known_domain>& domains, const policy& rules,
                     std::vector<std::string>& complaints) {
    link_plan plan;
    for (const known_domain& a : domains)
        for (const known_domain& b : domains) {
            if (a.who.id >= b.who.id || !a.problem.empty() || !b.problem.empty())
                continue;
            const verdict to_b = judge(rules, a, b, complaints), to_a = judge(rules, b, a, complaints);
            if (to_a.ports.empty() && to_b.ports.empty())
                continue;
            planned_link link{.settings = {.made_by = by_daemon,
                                           .backend = settings_of(a, b, to_a.ports, rules),
                                           .frontend = settings_of(b, a, to_b.ports, rules)},
                              .backend_uuid = a.who.uuid,
                              .frontend_uuid = b.who.uuid,
                              .line = to_a.line};
            if (to_b.line != 0 && (link.line == 0 || to_b.line < link.line))
                link.line = to_b.line;
            plan.emplace(make_ends(a.who.id, b.who.id), std::move(link));
        }
    return plan;
}

} // namespace xvsock::peer
