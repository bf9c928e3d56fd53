// SPDX-License-Identifier: MIT
// The link's keys in xenstore: everything that a domain may write into its own half.
#include "attack.hpp"

#include <random>
#include <thread>

#include <fmt/format.h>

namespace xvsock::hostile {

namespace {

const std::string garbage[] = {
    "",     "x",  "-1",  "0",  "4294967295", "4294967296",           "99999999999999999999",
    "0x10", " 7", "7 7", "\n", "%s%n",       std::string(2000, '9'), std::string("1\0002", 3)};

// As frontend, one key of the offer says something else. As backend: max-version.
void garbage_in(arena& at, const std::string& key) {
    auto& peer = at.peer_link;
    for (const auto& value : garbage) {
        peer.drop();
        if (peer.side() == half::frontend) {
            peer.say(bus_state::initialising);
            require(peer.victim_comes_to({bus_state::init_wait}, patience),
                    "the victim does not wait for an offer");
            peer.offer();
            peer.xenstore().write(peer.our_key(key), value);
            peer.say(bus_state::initialised);
        } else {
            peer.xenstore().write(peer.our_key(key), value);
            peer.say(bus_state::init_wait);
        }
        // Some of these are numbers that do; then the link may even come up.
        require(
            peer.victim_comes_to({bus_state::closed, bus_state::connected, bus_state::initialised}, patience),
            fmt::format("the victim makes nothing of {} = '{}'", key, value.substr(0, 30)));
    }
}

void garbage_state(arena& at) {
    auto& peer = at.peer_link;
    for (const auto& value : garbage)
        peer.xenstore().write(peer.our_key("state"), value);
    for (unsigned value = 0; value < 300; ++value)
        peer.xenstore().write(peer.our_key("state"), std::to_string(value));
}

// The keys are there, and lead nowhere.
void offer_of(arena& at, grant_ref ref, event_number port) {
    auto& peer = at.peer_link;
    if (peer.side() == half::backend)
        return;
    peer.drop();
    peer.say(bus_state::initialising);
    require(peer.victim_comes_to({bus_state::init_wait}, patience), "the victim does not wait for an offer");
    peer.offer();
    if (ref != 0)
        peer.xenstore().write(peer.our_key("ring-ref"), std::to_string(ref));
    if (port != 0)
        peer.xenstore().write(peer.our_key("event-channel"), std::to_string(port));
    peer.say(bus_state::initialised);
    at.must_fall();
}

void offer_of_a_read_only_page(arena& at) {
    const granted_pages page(at.peer_link.victim(), 1, access::read_only);
    offer_of(at, page.refs().front(), 0);
}

void offer_of_a_foreign_port(arena& at) {
    const auto port = event_port::unbound(0);
    offer_of(at, 0, port.number());
}

// The page is there, and full of noise before the victim has it.
void offer_of_noise(arena& at) {
    auto& peer = at.peer_link;
    if (peer.side() == half::backend)
        return;
    peer.drop();
    peer.say(bus_state::initialising);
    require(peer.victim_comes_to({bus_state::init_wait}, patience), "the victim does not wait for an offer");
    peer.offer();
    std::mt19937 random(17);
    for (std::size_t i = 0; i < page_size; i += 4)
        index_field(peer.page().memory, i).store(static_cast<std::uint32_t>(random()) | 0x80000000U);
    peer.say(bus_state::initialised);
    at.must_fall();
}

// An offer is changed while the victim takes it.
void offer_changes(arena& at) {
    auto& peer = at.peer_link;
    if (peer.side() == half::backend)
        return;
    for (int round = 0; round < 20; ++round) {
        peer.say(bus_state::closed);
        peer.say(bus_state::initialising);
        peer.offer();
        peer.say(bus_state::initialised);
        peer.offer();
        peer.say(bus_state::initialised);
        peer.xenstore().remove(peer.our_key("event-channel"));
    }
}

void states_in_any_order(arena& at, bool with_offers) {
    auto& peer = at.peer_link;
    std::mt19937 random(23);
    for (int round = 0; round < 150; ++round) {
        if (with_offers && peer.side() == half::frontend && random() % 4 == 0)
            peer.offer();
        peer.xenstore().write(peer.our_key("state"), std::to_string(random() % 9));
    }
    // The victim may be connected by now, through a page that nobody has taken.
    peer.drop();
}

// Backend: takes what is offered and begins anew, keeping the page. After some of these the victim offers
// nothing more; only a new link helps.
void keeps_control_pages(arena& at) {
    auto& peer = at.peer_link;
    if (peer.side() == half::frontend)
        return;
    std::vector<mapped_pages> kept;
    for (int round = 0; round < 40; ++round) {
        peer.drop();
        peer.say(bus_state::init_wait);
        if (!peer.victim_comes_to({bus_state::initialised}, 2s * at.slack)) {
            require(kept.size() >= 16, "the victim makes no offer, and we keep little of it");
            at.relink();
            return;
        }
        const auto ref = peer.xenstore().read_number(peer.their_key("ring-ref"), 0);
        kept.emplace_back(peer.victim(), std::array{ref});
        peer.say(bus_state::connected);
        byte_field(kept.back().data(), offset::cli_live).store(live::open);
        peer.victim_comes_to({bus_state::connected}, patience);
    }
    fail("we keep 40 control pages, and the victim goes on offering");
}

void removes_keys(arena& at) {
    auto& peer = at.peer_link;
    const auto pair = at.connected(true, action::receive);
    for (const auto* key : {"ring-ref", "event-channel", "version", "max-version", "online"})
        peer.xenstore().remove(peer.our_key(key));
    at.must_go_on(pair);
    peer.xenstore().remove(peer.our_key("state"));
    at.must_fall();
    at.must_end(pair.socket);
    at.relink(); // what was dom0's to make is gone
}

void removes_half(arena& at) {
    auto& peer = at.peer_link;
    const auto pair = at.connected(false, action::send);
    require(peer.xenstore().remove(peer.our_half()), "xenstored does not let us remove our half");
    at.must_fall();
    at.must_end(pair.socket);
    at.relink();
}

// dom0 takes the link away and brings it back while connections are at work.
void relinked_under_way(arena& at) {
    std::vector<arena::pair> open;
    for (const bool initiator : {true, false})
        open.push_back(at.connected(initiator, action::both));
    at.relink();
    for (const auto& pair : open)
        at.must_end(pair.socket);
}

// Writing the state costs us one message to xenstored, and the victim many. What waits for the victim's one
// thread for xenstore must not grow with it, or everybody else's links wait, too. Its answer to the last
// write may wait for up to a second, because there were so many.
void state_storm(arena& at) {
    auto& peer = at.peer_link;
    const auto before = at.victim.check().available_kib;
    const auto end = std::chrono::steady_clock::now() + 1500ms;
    unsigned writes = 0;
    while (std::chrono::steady_clock::now() < end) {
        // What makes the other half work hardest.
        peer.say(peer.side() == half::backend ? bus_state::init_wait : bus_state::initialising);
        ++writes;
    }
    const auto start = std::chrono::steady_clock::now();
    peer.say(bus_state::closed);
    peer.say(peer.side() == half::backend ? bus_state::init_wait : bus_state::initialising);
    peer.make();
    const auto took = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
    fmt::print("    {} writes; {} ms later the link is up again; the victim's memory {} KiB less\n", writes,
               took.count(), before - at.victim.check().available_kib);
    require(took < 1s + 1s * at.slack,
            fmt::format("after {} writes the victim is busy for {} ms more", writes, took.count()));
}

} // namespace

std::vector<attack> bus_attacks() {
    std::vector<attack> list;
    const auto add = [&list](std::string name, std::function<void(arena&)> run) {
        list.push_back({"bus." + std::move(name), link_fate::either, std::move(run), 60});
    };
    for (const auto* key : {"ring-ref", "event-channel", "version"})
        add(fmt::format("garbage-{}", key), [key](arena& at) {
            if (at.peer_link.side() == half::frontend)
                garbage_in(at, key);
        });
    add("garbage-max-version", [](arena& at) {
        if (at.peer_link.side() == half::backend)
            garbage_in(at, "max-version");
    });
    add("garbage-state", garbage_state);
    add("offer-unused-page", [](arena& at) { offer_of(at, 20000, 0); });
    add("offer-unused-port", [](arena& at) { offer_of(at, 0, 1000); });
    add("offer-read-only-page", offer_of_a_read_only_page);
    add("offer-foreign-port", offer_of_a_foreign_port);
    add("offer-noise", offer_of_noise);
    add("offer-changes", offer_changes);
    add("states-in-any-order", [](arena& at) { states_in_any_order(at, false); });
    add("states-and-offers-in-any-order", [](arena& at) { states_in_any_order(at, true); });
    add("keeps-control-pages", keeps_control_pages);
    add("removes-keys", removes_keys);
    add("removes-half", removes_half);
    add("relinked-under-way", relinked_under_way);
    add("state-storm", state_storm);
    return list;
}

} // namespace xvsock::hostile
