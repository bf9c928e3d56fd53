// SPDX-License-Identifier: MIT
#include "link_keeper.hpp"

#include "plain_link.hpp"

#include <cerrno>
#include <system_error>

namespace xvsock::peer {

namespace {

bool is_plain(const xenstore::view& store, const link_ends& ends) {
    return is_plain_link(store, {.module = ends.backend, .plain = ends.frontend}) ||
           is_plain_link(store, {.module = ends.frontend, .plain = ends.backend});
}

/// Both modules have taken these when the link came up.
bool same_cids(const end_settings& a, const end_settings& b) {
    return a.cid == b.cid && a.peer_cid == b.peer_cid;
}

} // namespace

kept keep_link(const xenstore::view& store, const link_ends& ends, const planned_link* planned, how way) {
    const auto found = read_settings(store, ends);
    const link_layout layout = make_layout(ends, planned ? planned->settings : link_settings{});
    if (found && found->made_by != by_daemon && has_home(store, ends.backend) &&
        has_home(store, ends.frontend))
        return {outcome::by_hand, {}};
    if (!planned) {
        const bool removed = remove_link(store, layout);
        if (way == how::in_transaction) // also those of a daemon that was killed
            remove_ghosts(store, ends);
        return {removed ? outcome::removed : outcome::nothing, {}};
    }

    if (read_uuid(store, ends.backend) != planned->backend_uuid ||
        read_uuid(store, ends.frontend) != planned->frontend_uuid)
        return {outcome::gone, {}};
    kept result;
    if (!found) {
        if (is_plain(store, ends))
            return {outcome::plain, {}};
        if (way == how::without)
            throw std::system_error(EAGAIN, std::generic_category(), "make a link");
        add_link(store, layout, result.problems);
        result.result = outcome::made;
        return result;
    }
    // These keys are dom0's, and so go only with their half.
    if (!store.exists(layout.frontend_path + "/backend") ||
        !store.exists(layout.backend_path + "/frontend") ||
        !same_cids(found->frontend, planned->settings.frontend) ||
        !same_cids(found->backend, planned->settings.backend)) {
        remove_link(store, layout);
        return {outcome::outdated, {}};
    }
    result.problems = mend_settings(store, layout);
    result.result = result.problems.empty() ? outcome::nothing : outcome::changed;
    return result;
}

} // namespace xvsock::peer
