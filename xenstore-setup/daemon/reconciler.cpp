// SPDX-License-Identifier: MIT
#include "reconciler.hpp"

#include "durable_file.hpp"
#include "hints.hpp"
#include "log.hpp"

#include <algorithm>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/array.hpp>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <fmt/chrono.h>
#include <utility>

namespace xvsock::peer {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

/// Between the removal of a link and the making of another in its place, so that both modules see that it
/// was gone.
constexpr auto remake_pause = 500ms;

constexpr std::chrono::seconds save_pause = 5s;

/// After the n-th failure in a row.
std::chrono::seconds pause_after(unsigned failures) {
    return std::min<std::chrono::seconds>(60s, 1s * (1U << std::min(failures - 1, 6U)));
}

/// How many links are brought about before a pass gives way to another.
constexpr unsigned least_progress = 16;

/// What xenstored, or the way to it, answers when it is not this one call that is wrong.
bool is_lost(const std::error_code& error) {
    switch (error.value()) {
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
    case ENOTCONN:
    case EBADF:
        return true;
    default:
        return false;
    }
}

/// Outside of a transaction.
template <typename Body>
asio::awaitable<std::invoke_result_t<Body&, const xenstore::view&>> run(xenstore::client& store, Body body) {
    try {
        co_return co_await store.async_run(std::move(body), asio::use_awaitable);
    } catch (const boost::system::system_error& error) {
        throw std::system_error(error.code().value(), std::generic_category(), "look at xenstore");
    }
}

const known_domain* find(const std::vector<known_domain>& list, domid id) {
    const auto found = std::ranges::find_if(list, [&](const known_domain& one) { return one.who.id == id; });
    return found == list.end() ? nullptr : &*found;
}

} // namespace

reconciler::reconciler(xenstore::client& store, std::string cid_file)
    : store_(store), cid_file_(std::move(cid_file)) {
    // Others have their links to be made, and this one is tried again later.
    store_.set_attempts(8);
    if (const auto text = read_file(cid_file_)) {
        try {
            cids_ = cid_table::parse(*text);
        } catch (const cid_table_error& error) {
            throw cid_table_error(
                fmt::format("{}: {}. It says which CID belongs to which domain, so nothing is done "
                            "without it: put back a copy, or remove it and all links if every "
                            "domain may get a new CID",
                            cid_file_, error.what()));
        }
        return;
    }
    log(level::info, "no-cids-yet", "file", cid_file_, "why",
        "there is no such file, so no domain has a CID yet");
}

void reconciler::set_policy(policy rules, std::string file) {
    rules_ = std::move(rules);
    policy_file_ = std::move(file);
}

std::vector<std::string> reconciler::complaints_about(const policy& rules) const {
    std::vector<std::string> complaints;
    plan_links(known_, rules, complaints);
    return complaints;
}

asio::awaitable<bool> reconciler::pass() {
    interrupted_ = false;
    if (!wanted_.empty())
        co_await look_again();
    identify_domains();
    collect();
    unsigned done = 0;
    for (const link_ends& ends : work_now()) {
        if (done >= least_progress && interrupted_)
            co_return false;
        co_await settle(ends);
        ++done;
    }
    co_return true;
}

asio::awaitable<void> reconciler::look_again() {
    const glance wanted = std::exchange(wanted_, {});
    const auto body = [known = running_, wanted](const xenstore::view& view) {
        return look(view, known, wanted);
    };
    const sight seen = co_await run(store_, body);
    if (!std::exchange(adopted_, true)) {
        const auto linked = [seen](const xenstore::view& view) { return list_linked(view, seen); };
        adopt(co_await run(store_, linked));
    }
    const auto before = std::exchange(running_, seen.domains);
    if (wanted.all) {
        seen_.clear();
        for (const auto& [ends, ignored] : links_)
            unverified_.insert(ends);
    }
    take_halves(seen.halves, before);
    if (wanted.all)
        for (const auto& [ends, ignored] : seen_)
            unverified_.insert(ends);
}

/// Of the domains that were looked at, and of those that are not there any more.
void reconciler::take_halves(const std::map<domid, own_halves>& halves,
                             const std::vector<running_domain>& before) {
    std::set<domid> others; // than before
    for (const auto& [id, ignored] : halves)
        others.insert(id);
    for (const running_domain& one : before)
        if (std::ranges::find(running_, one.id, &running_domain::id) == running_.end())
            others.insert(one.id);
    for (auto& [ends, seen] : seen_) {
        seen.frontend = seen.frontend && !others.contains(ends.frontend);
        seen.backend = seen.backend && !others.contains(ends.backend);
    }
    for (const auto& [id, own] : halves) {
        for (const domid backend : own.backends)
            if (backend < id)
                seen_[{backend, id}].frontend = true;
        for (const domid frontend : own.frontends)
            if (id < frontend)
                seen_[{id, frontend}].backend = true;
    }
}

/// A file that was lost, or an older one that was put back, must not change the CIDs of links that are there.
void reconciler::adopt(const std::vector<linked_cid>& linked) {
    for (const linked_cid& one : linked) {
        const std::string owner = cids_.owner_of(one.cid);
        if (!owner.empty() && owner != one.uuid)
            throw cid_table_error(fmt::format(
                "{}: it says that the CID {} is of the domain with the UUID {}, but domain {}, with the UUID "
                "{}, has it in its links, so this is not the file that they were made by. Put that one back; "
                "or remove the links of domain {} with xvsock-peer remove --force, if it may get another CID",
                cid_file_, one.cid, owner, one.id, one.uuid, one.id));
        if (owner.empty()) {
            log(level::warning, "cid-adopted", "domid", one.id, "uuid", one.uuid, "cid", one.cid, "why",
                "its links say so, and the file does not know of it");
            cids_.give(one.uuid, one.cid);
            // Those in between may be of domains that do not run now.
            if (std::ranges::find(rules_.pins, one.cid, &pin::cid) == rules_.pins.end())
                cids_.begin_after(one.cid);
            unsaved_ = true;
        }
        if (cids_.find(one.uuid) == one.cid) // of two with this UUID it is this one that others talk to
            holders_.try_emplace(one.uuid, one.id);
    }
}

/// Also records the CIDs of new domains: one that is not recorded is not used.
void reconciler::identify_domains() {
    cid_draft cids(cids_);
    const auto before = std::exchange(known_, identify(running_, rules_, cids, holders_));
    save_again_.reset();
    if (cids.changed() || unsaved_) {
        try {
            replace_file(cid_file_, cids.now().to_text(), durability::machine);
            unsaved_ = false;
            if (cids.changed())
                cids_ = *cids.changed();
        } catch (const std::system_error& error) {
            save_again_ = clock::now() + save_pause;
            log(level::error, "cids-not-saved", "file", cid_file_, "why", error.what(), "retry-in",
                save_pause);
            for (known_domain& one : known_) {
                if (one.who.id == 0 || !one.problem.empty())
                    continue;
                one.cid = cids_.find(one.who.uuid).value_or(0); // also when another one was chosen
                if (one.cid == 0)
                    one.problem = fmt::format("its CID could not be recorded: {}", error.what());
            }
        }
    }
    log_domains(before);

    std::vector<std::string> complaints;
    plan_ = plan_links(known_, rules_, complaints);
    for (const std::string& one : complaints)
        if (std::ranges::find(complaints_, one) == complaints_.end())
            log(level::error, "too-many-ports", "why", one);
    complaints_ = std::move(complaints);
}

void reconciler::log_domains(const std::vector<known_domain>& before) const {
    for (const known_domain& old : before) {
        const auto* const now = find(known_, old.who.id);
        if (!now || now->who.uuid != old.who.uuid)
            log(level::info, "domain-gone", "domid", old.who.id, "name", old.name, "uuid", old.who.uuid);
    }
    for (const known_domain& one : known_) {
        const auto* old = find(before, one.who.id);
        if (old && old->who.uuid != one.who.uuid)
            old = nullptr;
        if (!old)
            log(level::info, "domain-seen", "domid", one.who.id, "name", one.name, "uuid", one.who.uuid,
                "cid", one.cid);
        if (old && old->name != one.name)
            log(level::info, "domain-renamed", "domid", one.who.id, "from", old->name, "to", one.name);
        if (old && old->cid != one.cid)
            log(level::info, "cid-changed", "domid", one.who.id, "name", one.name, "from", old->cid, "to",
                one.cid);
        if (!one.problem.empty() && (!old || old->problem != one.problem))
            log(level::warning, "domain-refused", "domid", one.who.id, "name", one.name, "why", one.problem);
        if (!one.remark.empty() && (!old || old->remark != one.remark))
            log(level::warning, "name-not-certain", "domid", one.who.id, "name", one.name, "why", one.remark);
        if (!one.cid_remark.empty() && (!old || old->cid_remark != one.cid_remark))
            log(level::warning, "cid-not-given", "domid", one.who.id, "name", one.name, "why",
                one.cid_remark);
    }
}

/// Which links there are, which there should be, and which are remembered.
void reconciler::collect() {
    std::erase_if(seen_, [](const auto& one) { return one.second == halves{}; });
    for (const auto& [ends, ignored] : seen_)
        links_.try_emplace(ends);
    for (const auto& [ends, ignored] : plan_)
        links_.try_emplace(ends);
    // A dead domain's halves went with its home; what is left of the others' is seen there.
    std::erase_if(links_,
                  [&](const auto& one) { return !seen_.contains(one.first) && !plan_.contains(one.first); });
    std::erase_if(unverified_, [&](const link_ends& ends) { return !links_.contains(ends); });
}

const planned_link* reconciler::planned(const link_ends& ends) const {
    const auto found = plan_.find(ends);
    return found == plan_.end() ? nullptr : &found->second;
}

bool reconciler::needs_work(const link_ends& ends) const {
    const link_state& state = links_.at(ends);
    if (unverified_.contains(ends) || state.failures > 0)
        return true;
    const auto seen = seen_.find(ends);
    const halves now = seen == seen_.end() ? halves{} : seen->second;
    const planned_link* const wanted = planned(ends);
    const bool as_planned =
        wanted ? state.settled == *wanted : !state.settled && (state.not_ours || now == halves{});
    return !as_planned || now != state.seen;
}

/// Removals first: until then somebody may talk who may not. What has failed before comes last.
std::vector<link_ends> reconciler::work_now() {
    std::vector<link_ends> work;
    const auto now = clock::now();
    for (const auto& [ends, state] : links_)
        if (state.not_before <= now && needs_work(ends))
            work.push_back(ends);
    std::ranges::stable_sort(work, {}, [&](const link_ends& ends) {
        return std::pair(links_.at(ends).failures, planned(ends) != nullptr);
    });
    return work;
}

asio::awaitable<kept> reconciler::keep(link_ends ends) {
    const planned_link* const found = planned(ends);
    const auto wanted = found ? std::optional(*found) : std::nullopt;
    // Named, for GCC 12 destroys what is made inside of a co_await expression twice.
    const auto at_once = [ends, wanted](const xenstore::view& view) {
        return keep_link(view, ends, wanted ? &*wanted : nullptr, how::in_transaction);
    };
    const auto by_node = [ends, wanted](const xenstore::view& view) {
        return keep_link(view, ends, wanted ? &*wanted : nullptr, how::without);
    };
    try {
        co_return co_await store_.async_transact(at_once, asio::use_awaitable);
    } catch (const std::system_error& error) {
        if (!others_are_busy(error.code()))
            throw;
    }
    auto result = co_await run(store_, by_node);
    const auto clean_up = [ends](const xenstore::view& view) { remove_ghosts(view, ends); };
    co_await store_.async_transact(clean_up, asio::use_awaitable);
    co_return result;
}

asio::awaitable<void> reconciler::settle(link_ends ends) {
    try {
        note(ends, co_await keep(ends));
    } catch (const std::system_error& error) {
        if (is_lost(error.code()))
            throw;
        note_failure(ends, error.what() + hint_for(error.code().value()));
    } catch (const domain_error& error) {
        note_failure(ends, error.what());
    }
}

void reconciler::note(const link_ends& ends, const kept& result) {
    link_state& state = links_[ends];
    const bool was_ours = !state.not_ours;
    const planned_link* const wanted = planned(ends);
    state = {};
    unverified_.erase(ends);
    const auto say = [&](level how, std::string_view event, const std::string& why) {
        log(how, event, "a", name_of(ends.backend), "a-domid", ends.backend, "b", name_of(ends.frontend),
            "b-domid", ends.frontend, "rule", wanted ? rule_of(*wanted) : "none", "why", why);
    };
    const auto settings = [&] {
        return fmt::format("a accepts {}, b accepts {}", wanted->settings.backend.accept,
                           wanted->settings.frontend.accept);
    };
    const auto leave_as = [&](halves left) {
        state.seen = left;
        seen_[ends] = left;
    };
    state.seen = seen_[ends];
    switch (result.result) {
    case outcome::made:
        say(level::info, "link-made", settings());
        break;
    case outcome::changed:
        say(level::info, "link-changed", fmt::format("{}; {}", settings(), fmt::join(result.problems, "; ")));
        break;
    case outcome::removed:
        say(level::info, "link-removed", why_none(ends));
        leave_as({});
        return;
    case outcome::outdated:
        say(level::warning, "link-outdated",
            "its domains or CIDs have changed, or a half of it is missing: it is made anew");
        leave_as({});
        state.not_before = clock::now() + remake_pause;
        state.trouble = "it is being made anew";
        return;
    case outcome::by_hand:
    case outcome::plain:
        state.not_ours = true;
        state.trouble =
            result.result == outcome::plain ? "there is a plain link between the two" : "it was made by hand";
        if (was_ours)
            say(level::info, "link-left-alone", state.trouble);
        if (wanted)
            state.settled = *wanted;
        return;
    case outcome::gone: // which the next look will show
        state.not_before = clock::now() + remake_pause;
        return;
    case outcome::nothing:
        if (!wanted) { // what is seen there is no link
            state.not_ours = true;
            return;
        }
        break;
    }
    state.settled = *wanted;
    leave_as({true, true});
}

void reconciler::note_failure(const link_ends& ends, const std::string& why) {
    link_state& state = links_[ends];
    const auto pause = pause_after(++state.failures);
    state.not_before = clock::now() + pause;
    state.trouble = why;
    log(level::warning, "link-failed", "a", name_of(ends.backend), "a-domid", ends.backend, "b",
        name_of(ends.frontend), "b-domid", ends.frontend, "why", why, "retry-in", pause);
}

std::optional<reconciler::clock::time_point> reconciler::due() const {
    std::optional<clock::time_point> next = save_again_;
    for (const auto& [ends, state] : links_)
        if (needs_work(ends) && (!next || state.not_before < *next))
            next = state.not_before;
    return next;
}

std::string reconciler::name_of(domid id) const {
    const auto* const found = find(known_, id);
    return found && !found->name.empty() ? found->name : fmt::format("{}", id);
}

/// Why there should be no link.
std::string reconciler::why_none(const link_ends& ends) const {
    for (const domid id : {ends.backend, ends.frontend}) {
        const auto* const found = find(known_, id);
        if (!found)
            return fmt::format("domain {} is gone", id);
        if (!found->problem.empty())
            return fmt::format("domain {} gets no links: {}", id, found->problem);
    }
    return complaints_.empty() ? "the policy does not allow it"
                               : "the policy does not allow it, or more than a link can be held to";
}

std::string reconciler::rule_of(const planned_link& link) const {
    return fmt::format("{}:{}", policy_file_, link.line);
}

boost::json::object reconciler::status() const {
    boost::json::array domains, links;
    for (const known_domain& one : known_)
        domains.push_back(boost::json::object{{"domid", one.who.id},
                                              {"name", one.name},
                                              {"uuid", one.who.uuid},
                                              {"cid", one.cid},
                                              {"problem", one.problem},
                                              {"remark", one.remark},
                                              {"cid-remark", one.cid_remark}});
    for (const auto& [ends, state] : links_) {
        boost::json::object link{{"backend", ends.backend}, {"frontend", ends.frontend}};
        if (const planned_link* const wanted = planned(ends)) {
            link["rule"] = rule_of(*wanted);
            link["backend-accepts"] = wanted->settings.backend.accept;
            link["frontend-accepts"] = wanted->settings.frontend.accept;
        }
        link["state"] = state.not_ours ? "left-alone" : needs_work(ends) ? "in-work" : "in-order";
        link["trouble"] = state.trouble;
        links.push_back(std::move(link));
    }
    return {{"policy", policy_file_},
            {"xenstore-calls", store_.calls()},
            {"domains", std::move(domains)},
            {"links", std::move(links)}};
}

} // namespace xvsock::peer
