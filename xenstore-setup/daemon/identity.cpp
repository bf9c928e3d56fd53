// SPDX-License-Identifier: MIT
#include "identity.hpp"

#include "uuid.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace xvsock::peer {

namespace {

std::set<domid> peers_below(const xenstore::view& store, const std::string& path) {
    std::set<domid> peers;
    for (const std::string& child : store.list(path).value_or(std::vector<std::string>{}))
        if (const auto id = parse_domid(child))
            peers.insert(*id);
    return peers;
}

/// dom0's own name cannot be another's.
bool is_dom0s_name(const std::string& name) {
    return name == dom0_name || name == "dom0";
}

/// The CID that the domain is to have, in the table. Throws cid_taken.
std::uint32_t cid_for(const subject& who, const policy& rules, cid_table& cids) {
    if (const pin* const chosen = rules.pin_of(who)) {
        cids.give(who.uuid, chosen->cid);
    } else if (!cids.find(who.uuid)) {
        std::set<std::uint32_t> reserved;
        for (const pin& one : rules.pins)
            reserved.insert(one.cid);
        cids.give_next(who.uuid, reserved);
    }
    return *cids.find(who.uuid);
}

/// Who has each UUID: who had it before, if it still runs, or else the one with the lowest domid.
uuid_holders holders_now(const std::vector<running_domain>& running, const uuid_holders& before) {
    uuid_holders now;
    for (const running_domain& one : running) {
        if (!one.runs || one.uuid.empty())
            continue;
        const auto had = before.find(one.uuid);
        const bool held_it = had != before.end() && had->second == one.id;
        if (!now.emplace(one.uuid, one.id).second && held_it)
            now[one.uuid] = one.id;
    }
    return now;
}

} // namespace

std::string read_uuid(const xenstore::view& store, domid id) {
    if (id == 0)
        return "";
    const std::string vm = store.read(fmt::format("/local/domain/{}/vm", id)).value_or("");
    constexpr std::string_view prefix = "/vm/";
    const auto uuid = parse_uuid(std::string_view(vm).substr(vm.starts_with(prefix) ? prefix.size() : 0));
    // One of nothing but zeros says nothing.
    return uuid && uuid->find_first_not_of("0-") != std::string::npos ? *uuid : "";
}

std::vector<running_domain> list_running(const xenstore::view& store) {
    std::vector<running_domain> found;
    for (const domid id : peers_below(store, "/local/domain")) {
        const std::string home = fmt::format("/local/domain/{}", id);
        running_domain one;
        one.id = id;
        one.runs = id == 0 || store.is_introduced(id);
        if (one.runs) {
            one.name = id == 0 ? dom0_name : store.read(home + "/name").value_or("");
            one.uuid = read_uuid(store, id);
        }
        one.backends = peers_below(store, home + "/device/vsock");
        one.frontends = peers_below(store, home + "/backend/vsock");
        found.push_back(std::move(one));
    }
    return found;
}

std::vector<known_domain> identify(const std::vector<running_domain>& running, const policy& rules,
                                   cid_table& cids, uuid_holders& holders) {
    holders = holders_now(running, holders);
    std::map<std::string, unsigned> names;
    for (const running_domain& one : running)
        if (one.runs)
            ++names[one.name];

    std::vector<known_domain> known;
    for (const running_domain& one : running) {
        if (!one.runs)
            continue;
        known_domain made{.who = {.id = one.id, .uuid = one.uuid, .name = one.name},
                          .name = one.name,
                          .cid = 0,
                          .problem = "",
                          .remark = ""};
        if (one.name.empty() || names[one.name] > 1 || (one.id != 0 && is_dom0s_name(one.name))) {
            // dom0 keeps its name, whoever else has it.
            if (one.id != 0)
                made.who.name.reset();
            if (one.name.empty())
                made.remark = "it has no name";
            else if (one.id != 0)
                made.remark = fmt::format(
                    "other domains are named '{}' as well: rules by name do not allow it anything", one.name);
        }
        if (one.id == 0)
            made.cid = dom0_cid;
        else if (one.uuid.empty())
            made.problem = "it has no UUID";
        else if (holders[one.uuid] != one.id)
            made.problem = fmt::format("domain {} runs with the same UUID", holders[one.uuid]);
        known.push_back(std::move(made));
    }
    // The chosen ones first, so that the others do not take them.
    for (const bool chosen : {true, false})
        for (known_domain& one : known) {
            if (one.cid != 0 || !one.problem.empty() || (rules.pin_of(one.who) != nullptr) != chosen)
                continue;
            try {
                one.cid = cid_for(one.who, rules, cids);
            } catch (const cid_taken& error) {
                one.problem = error.what();
            }
        }
    return known;
}

} // namespace xvsock::peer
