// SPDX-License-Identifier: MIT
#include "identity.hpp"

#include "peer_link.hpp"
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

/// The domain's CID, which is given to it if it has none. A chosen one that was another's is not given.
/// Throws cid_taken.
std::uint32_t cid_for(const known_domain& one, const policy& rules, cid_draft& cids) {
    const std::string& uuid = one.who.uuid;
    if (const pin* const chosen = rules.pin_of(one.who); chosen && one.cid_remark.empty()) {
        if (cids.now().find(uuid) != chosen->cid)
            cids.change().give(uuid, chosen->cid);
    } else if (!cids.now().find(uuid)) {
        std::set<std::uint32_t> reserved;
        for (const pin& other : rules.pins)
            reserved.insert(other.cid);
        cids.change().give_next(uuid, reserved);
    }
    return *cids.now().find(uuid);
}

/// Why the domain does not get the CID that is chosen for it; empty when it does.
std::string chosen_in_vain(const subject& who, const policy& rules, const cid_table& cids) {
    const pin* const chosen = rules.pin_of(who);
    const std::string owner = chosen ? cids.owner_of(chosen->cid) : "";
    if (owner.empty() || owner == who.uuid)
        return "";
    return fmt::format(
        "line {} of the policy gives it the CID {}, which is recorded for the UUID {}, and its "
        "own is {}: it gets another CID. Its configuration must name its UUID, as uuid=\"...\", "
        "or it has a new one with each start; xvsockd --forget {} frees the CID",
        chosen->line, chosen->cid, owner, who.uuid, owner);
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

sight look(const xenstore::view& store, const std::vector<running_domain>& known, const glance& wanted) {
    std::set<domid> homes;
    if (wanted.all || wanted.domains)
        homes = peers_below(store, "/local/domain");
    else
        for (const running_domain& one : known)
            homes.insert(one.id);
    const auto find = [&](domid id) { return std::ranges::find(known, id, &running_domain::id); };
    const auto is_new = [&](domid id) {
        return wanted.all || find(id) == known.end() || wanted.names.contains(id);
    };
    std::map<domid, bool> runs;
    for (const domid id : homes)
        runs[id] = id == 0 || (is_new(id) || wanted.domains ? store.is_introduced(id) : find(id)->runs);
    // It may have had links that were made by hand since the others were looked at.
    const bool one_has_gone = std::ranges::any_of(known, [&](const running_domain& old) {
        return old.runs && (!runs.contains(old.id) || !runs[old.id]);
    });
    sight seen;
    for (const domid id : homes) {
        const std::string home = fmt::format("/local/domain/{}", id);
        running_domain now;
        now.id = id;
        now.runs = runs[id];
        const bool anew = is_new(id) || now.runs != find(id)->runs;
        if (!anew) {
            now = *find(id);
        } else if (now.runs) {
            now.name = id == 0 ? dom0_name : store.read(home + "/name").value_or("");
            now.uuid = read_uuid(store, id);
        }
        if (anew || one_has_gone)
            seen.halves[id] = {.backends = peers_below(store, home + "/device/vsock"),
                               .frontends = peers_below(store, home + "/backend/vsock")};
        seen.domains.push_back(std::move(now));
    }
    return seen;
}

std::vector<linked_cid> list_linked(const xenstore::view& store, const sight& seen) {
    std::vector<linked_cid> found;
    for (const running_domain& one : seen.domains) {
        const auto halves = seen.halves.find(one.id);
        if (one.uuid.empty() || halves == seen.halves.end())
            continue;
        const auto add = [&](const link_ends& ends, end_settings link_settings::*end) {
            const auto settings = read_settings(store, ends);
            if (settings && settings->made_by == by_daemon && ((*settings).*end).cid)
                found.push_back({.id = one.id, .uuid = one.uuid, .cid = *((*settings).*end).cid});
        };
        // Its own halves only: they went with the home of whoever had the domid before.
        for (const domid backend : halves->second.backends)
            if (backend < one.id)
                add({backend, one.id}, &link_settings::frontend);
        for (const domid frontend : halves->second.frontends)
            if (one.id < frontend)
                add({one.id, frontend}, &link_settings::backend);
    }
    return found;
}

std::vector<known_domain> identify(const std::vector<running_domain>& running, const policy& rules,
                                   cid_draft& cids, uuid_holders& holders) {
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
            else if (one.id != 0 && is_dom0s_name(one.name))
                made.remark = fmt::format(
                    "'{}' is dom0's name: rules by name do not allow this domain anything", one.name);
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
        if (made.cid == 0 && made.problem.empty())
            made.cid_remark = chosen_in_vain(made.who, rules, cids.now());
        known.push_back(std::move(made));
    }
    // The chosen ones first, so that the others do not take them.
    for (const bool chosen : {true, false})
        for (known_domain& one : known) {
            if (one.cid != 0 || !one.problem.empty() || (rules.pin_of(one.who) != nullptr) != chosen)
                continue;
            try {
                one.cid = cid_for(one, rules, cids);
            } catch (const cid_taken& error) {
                one.problem = error.what();
            }
        }
    return known;
}

} // namespace xvsock::peer
