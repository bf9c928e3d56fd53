// SPDX-License-Identifier: MIT
#include "peer_link.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fmt/format.h>
#include <set>

namespace xvsock::peer {

using xenstore::owned_by;
using xenstore::view;

namespace {

constexpr const char* initialising = "1"; // XenbusStateInitialising

std::vector<std::string> children(const view& store, const std::string& path) {
    return store.list(path).value_or(std::vector<std::string>{});
}

std::string home_of(domid id) {
    return fmt::format("/local/domain/{}", id);
}

/// What is wrong with one node that should be there, or nothing.
std::optional<std::string> problem_of(const view& store, const wanted_node& node) {
    const auto value = store.read(node.path);
    if (!value)
        return fmt::format("{} is missing", node.path);
    if (!node.changes && *value != node.value)
        return fmt::format("{} is '{}', must be '{}'", node.path, *value, node.value);
    const auto access = store.get_permissions(node.path);
    if (access && *access != node.access)
        return fmt::format("{} has the permissions {}, must have {}", node.path, to_string(*access),
                           to_string(node.access));
    return std::nullopt;
}

void make(const view& store, const wanted_node& node) {
    store.write(node.path, node.value);
    store.set_permissions(node.path, node.access);
}

void mend(const view& store, const wanted_node& node) {
    const auto value = store.read(node.path);
    if (!value || (!node.changes && *value != node.value))
        store.write(node.path, node.value);
    if (store.get_permissions(node.path) != node.access)
        store.set_permissions(node.path, node.access);
}

std::string must_not_be(const std::string& path) {
    return path + " must not be there";
}

/// One setting of a half: a node when it has a value.
void add_setting(link_layout& layout, const std::string& path, const std::string& value,
                 const xenstore::permissions& access) {
    if (value.empty())
        layout.absent.push_back(path);
    else
        layout.nodes.push_back({path, value, access});
}

template <typename Number> std::string text_of(const std::optional<Number>& number) {
    return number ? fmt::format("{}", *number) : "";
}

void add_settings(link_layout& layout, const std::string& half, const xenstore::permissions& access,
                  const std::string& made_by, const end_settings& settings) {
    add_setting(layout, half + "/made-by", made_by, access);
    add_setting(layout, half + "/peer-name", settings.peer_name, access);
    add_setting(layout, half + "/cid", text_of(settings.cid), access);
    add_setting(layout, half + "/peer-cid", text_of(settings.peer_cid), access);
    add_setting(layout, half + "/accept", settings.accept, access);
    add_setting(layout, half + "/max-connections", text_of(settings.max_connections), access);
    add_setting(layout, half + "/max-memory", text_of(settings.max_memory), access);
    add_setting(layout, half + "/domain-max-connections", text_of(settings.domain_max_connections), access);
    add_setting(layout, half + "/domain-max-memory", text_of(settings.domain_max_memory), access);
}

/// The value of a node that dom0 owns: a domain may have made others of that name in a half of its own.
std::string dom0s_word(const view& store, const std::string& path) {
    const auto value = store.read(path);
    if (!value)
        return "";
    const auto access = store.get_permissions(path);
    return access && !access->empty() && access->front().domain == 0 ? *value : "";
}

template <typename Number> std::optional<Number> number_at(const view& store, const std::string& path) {
    const std::string text = dom0s_word(store, path);
    Number number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = !text.empty() && error == std::errc{} && end == text.data() + text.size();
    return whole ? std::optional(number) : std::nullopt;
}

end_settings read_end(const view& store, const std::string& half) {
    return {.peer_name = dom0s_word(store, half + "/peer-name"),
            .cid = number_at<std::uint32_t>(store, half + "/cid"),
            .peer_cid = number_at<std::uint32_t>(store, half + "/peer-cid"),
            .accept = dom0s_word(store, half + "/accept"),
            .max_connections = number_at<std::uint32_t>(store, half + "/max-connections"),
            .max_memory = number_at<std::uint64_t>(store, half + "/max-memory"),
            .domain_max_connections = number_at<std::uint32_t>(store, half + "/domain-max-connections"),
            .domain_max_memory = number_at<std::uint64_t>(store, half + "/domain-max-memory")};
}

std::string state_at(const view& store, const std::string& path) {
    const auto value = store.read(path + "/state");
    return value ? state_word(*value) : "-";
}

} // namespace

link_ends make_ends(domid a, domid b) {
    if (a == b)
        throw domain_error(fmt::format("both ends are domain {}; a link has two different ends", a));
    return {.backend = std::min(a, b), .frontend = std::max(a, b)};
}

std::vector<link_ends> named_pairs(std::span<const std::string> words, const std::vector<domain>& known) {
    if (words.size() % 2 != 0)
        throw domain_error(fmt::format("'{}' has no other end; domains are named in pairs", words.back()));
    std::vector<link_ends> pairs;
    for (std::size_t i = 0; i < words.size(); i += 2)
        pairs.push_back(make_ends(resolve_domain(words[i], known), resolve_domain(words[i + 1], known)));
    return pairs;
}

link_layout make_layout(const link_ends& ends, const link_settings& settings) {
    const auto [b, f] = ends;
    const std::string frontend_home = home_of(f), backend_home = home_of(b);
    const std::string devices = frontend_home + "/device", frontends = devices + "/vsock";
    const std::string backends = backend_home + "/backend", vsock_backends = backends + "/vsock",
                      peer_backends = fmt::format("{}/{}", vsock_backends, f);

    link_layout layout;
    layout.frontend_path = fmt::format("{}/{}", frontends, b);
    layout.backend_path = fmt::format("{}/{}", peer_backends, b);

    // dom0 owns what leads to a half, so that a domain that removes its half cannot make another in its
    // place.
    const auto for_frontend = owned_by(0, {f}), for_backend = owned_by(0, {b});
    layout.parents = {{devices, "", for_frontend},
                      {frontends, "", for_frontend},
                      {backends, "", for_backend},
                      {vsock_backends, "", for_backend},
                      {peer_backends, "", for_backend}};

    const auto frontend_half = owned_by(f, {b}), backend_half = owned_by(b, {f});
    const auto identity = owned_by(0, {f, b});
    layout.nodes = {
        {layout.frontend_path, "", frontend_half, true},
        {layout.frontend_path + "/backend", layout.backend_path, identity},
        {layout.frontend_path + "/backend-id", fmt::format("{}", b), identity},
        {layout.backend_path, "", backend_half, true},
        {layout.backend_path + "/frontend", layout.frontend_path, identity},
        {layout.backend_path + "/frontend-id", fmt::format("{}", f), identity},
        {layout.backend_path + "/online", "1", backend_half, true},
    };
    add_settings(layout, layout.frontend_path, owned_by(0, {f}), settings.made_by, settings.frontend);
    add_settings(layout, layout.backend_path, owned_by(0, {b}), settings.made_by, settings.backend);
    layout.nodes.insert(layout.nodes.end(),
                        {
                            // Last: a state is what makes a driver look.
                            {layout.frontend_path + "/state", initialising, frontend_half, true},
                            {layout.backend_path + "/state", initialising, backend_half, true},
                        });

    layout.removable = {frontends, peer_backends, vsock_backends};
    if (b != 0)
        layout.removable.push_back(backends); // dom0's holds the backends of all its devices
    return layout;
}

std::optional<link_settings> read_settings(const view& store, const link_ends& ends) {
    const link_layout layout = make_layout(ends);
    bool found = false;
    link_settings settings;
    settings.made_by.clear();
    for (const auto& [half, key] :
         {std::pair(layout.frontend_path, "/backend"), {layout.backend_path, "/frontend"}}) {
        // Not the half itself, which changes with all that its domain makes in it.
        found = found || store.exists(half + key);
        // One half may be gone, and its mark with it.
        if (settings.made_by.empty())
            settings.made_by = dom0s_word(store, half + "/made-by");
    }
    if (!found)
        return std::nullopt;
    if (settings.made_by.empty())
        settings.made_by = by_hand;
    settings.frontend = read_end(store, layout.frontend_path);
    settings.backend = read_end(store, layout.backend_path);
    return settings;
}

std::optional<std::vector<std::string>> find_problems(const view& store, const link_layout& layout) {
    if (!store.exists(layout.frontend_path) && !store.exists(layout.backend_path))
        return std::nullopt;
    std::vector<std::string> problems;
    for (const std::string& half : {layout.frontend_path, layout.backend_path})
        if (!store.exists(half))
            problems.push_back(half + " is missing");
    if (!problems.empty())
        return problems; // a line for each key of the missing half would say nothing more
    for (const wanted_node& node : layout.nodes)
        if (const auto problem = problem_of(store, node))
            problems.push_back(*problem);
    for (const std::string& path : layout.absent)
        if (store.exists(path))
            problems.push_back(must_not_be(path));
    return problems;
}

add_result add_link(const view& store, const link_layout& layout, std::vector<std::string>& problems) {
    const auto found = find_problems(store, layout);
    problems = found.value_or(std::vector<std::string>{});
    if (found && found->empty())
        return add_result::existed;

    for (const wanted_node& parent : layout.parents) {
        if (store.exists(parent.path))
            continue;
        store.make(parent.path);
        store.set_permissions(parent.path, parent.access);
    }
    for (const wanted_node& node : layout.nodes)
        found ? mend(store, node) : make(store, node);
    if (found)
        for (const std::string& path : layout.absent)
            store.remove(path);
    return found ? add_result::repaired : add_result::added;
}

std::vector<std::string> mend_settings(const view& store, const link_layout& layout) {
    std::vector<std::string> problems;
    for (const wanted_node& node : layout.nodes) {
        if (node.changes)
            continue;
        if (auto problem = problem_of(store, node)) {
            problems.push_back(*std::move(problem));
            mend(store, node);
        }
    }
    for (const std::string& path : layout.absent)
        if (store.remove(path))
            problems.push_back(must_not_be(path));
    if (!problems.empty())
        for (const wanted_node& node : layout.nodes)
            if (node.path.ends_with("/accept")) // the modules watch this one, for all of them
                store.write(node.path, node.value);
    return problems;
}

bool remove_link(const view& store, const link_layout& layout) {
    const bool had_frontend = store.remove(layout.frontend_path);
    const bool had_backend = store.remove(layout.backend_path);
    if (had_frontend || had_backend)
        for (const std::string& path : layout.folders)
            store.remove(path);
    for (const std::string& path : layout.removable)
        if (store.exists(path) && children(store, path).empty())
            store.remove(path);
    return had_frontend || had_backend;
}

bool others_are_busy(const std::error_code& error) {
    return error.value() == EAGAIN || error.value() == EIO;
}

bool has_home(const view& store, domid id) {
    return id == 0 || store.exists(home_of(id) + "/vm") || store.exists(home_of(id) + "/name");
}

void remove_ghosts(const view& store, const link_ends& ends) {
    for (const domid id : {ends.backend, ends.frontend})
        if (!has_home(store, id) && !store.is_introduced(id))
            store.remove(home_of(id));
}

std::vector<link_status> list_links(const view& store) {
    // From both sides, because a damaged link may be seen from one only.
    std::set<link_ends> found;
    for (const std::string& home : children(store, "/local/domain")) {
        const auto id = parse_domid(home);
        if (!id)
            continue;
        for (const std::string& index : children(store, home_of(*id) + "/device/vsock"))
            if (const auto backend = parse_domid(index); backend && *backend < *id)
                found.insert({*backend, *id});
        const std::string backends = home_of(*id) + "/backend/vsock";
        for (const std::string& peer : children(store, backends))
            if (const auto frontend = parse_domid(peer);
                frontend && *id < *frontend &&
                store.exists(fmt::format("{}/{}/{}", backends, *frontend, *id)))
                found.insert({*id, *frontend});
    }

    std::vector<link_status> links;
    for (const link_ends& ends : found) {
        const link_settings settings = read_settings(store, ends).value_or(link_settings{});
        const link_layout layout = make_layout(ends, settings);
        auto problems = find_problems(store, layout);
        if (!problems)
            continue; // it has gone since
        links.push_back({.ends = ends,
                         .settings = settings,
                         .backend_state = state_at(store, layout.backend_path),
                         .frontend_state = state_at(store, layout.frontend_path),
                         .problems = *std::move(problems)});
    }
    return links;
}

} // namespace xvsock::peer
