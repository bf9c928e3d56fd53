// SPDX-License-Identifier: MIT
#include "link.hpp"

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace xvsock::hostile {

namespace {

using clock = std::chrono::steady_clock;

constexpr auto handshake_limit = 20s;
constexpr auto send_limit = 20s;
constexpr std::size_t most_messages = 4096; // kept until somebody asks for them

std::string text(bus_state state) {
    return std::to_string(static_cast<unsigned>(state));
}

} // namespace

link::link(domid own, domid victim) : victim_(victim), side_(own > victim ? half::frontend : half::backend) {
    // Section 1: N is the backend's domid. Paths of our own are relative to /local/domain/OWN.
    const auto number = std::to_string(victim);
    if (side_ == half::frontend)
        ours_ = "device/vsock/" + number;
    else
        ours_ = "backend/vsock/" + number + "/" + std::to_string(own);
    const auto path = store_.read(ours_ + (side_ == half::frontend ? "/backend" : "/frontend"));
    if (!path)
        throw std::runtime_error("there is no link with domain " + number);
    theirs_ = *path;
}

void link::say(bus_state state) const {
    store_.write(our_key("state"), text(state));
}

bus_state link::victim_state() const {
    return static_cast<bus_state>(store_.read_number(their_key("state"), 0));
}

bool link::victim_comes_to(std::initializer_list<bus_state> states, milliseconds limit) const {
    std::vector<std::string> values;
    for (const auto state : states)
        values.push_back(text(state));
    return store_.wait_for(their_key("state"), values, limit).has_value();
}

void link::offer() {
    granted_pages granted(victim_, 1);
    shared_page::initialise(granted.data());
    shared_page page(granted.data(), vchan_side::server);
    const auto ref = granted.refs().front();
    ++generation_;
    control_.emplace(control{std::move(granted), std::nullopt, ref, event_port::unbound(victim_), page});
    store_.write(our_key("ring-ref"), std::to_string(ref));
    store_.write(our_key("event-channel"), std::to_string(control_->event.number()));
    store_.write(our_key("version"), std::to_string(protocol_version));
}

void link::take_offer() {
    const auto ref = store_.read_number(their_key("ring-ref"), 0);
    const auto port = store_.read_number(their_key("event-channel"), 0);
    mapped_pages mapped(victim_, std::array{ref});
    shared_page page(mapped.data(), vchan_side::client);
    ++generation_;
    control_.emplace(control{std::nullopt, std::move(mapped), ref, event_port::bound(victim_, port), page});
}

void link::make() {
    forget();
    forget_messages();
    // The victim drops what it had of an earlier link, so that what it says next belongs to this one.
    say(bus_state::closed);
    if (side_ == half::frontend) {
        if (!victim_comes_to({bus_state::closed, bus_state::init_wait}, handshake_limit))
            throw std::runtime_error("the victim's backend does not leave an old link");
        say(bus_state::initialising);
        if (!victim_comes_to({bus_state::init_wait}, handshake_limit))
            throw std::runtime_error("the victim's backend does not go to InitWait");
        if (store_.read_number(their_key("max-version"), 0) < protocol_version)
            throw std::runtime_error("the victim's max-version is too low");
        offer();
        say(bus_state::initialised);
        if (!victim_comes_to({bus_state::connected}, handshake_limit))
            throw std::runtime_error("the victim's backend does not take the offer");
        say(bus_state::connected);
        return;
    }
    if (!victim_comes_to({bus_state::closed, bus_state::initialising}, handshake_limit))
        throw std::runtime_error("the victim's frontend does not leave an old link");
    store_.write(our_key("max-version"), std::to_string(protocol_version));
    say(bus_state::init_wait);
    if (!victim_comes_to({bus_state::initialised}, handshake_limit))
        throw std::runtime_error("the victim's frontend makes no offer");
    take_offer();
    say(bus_state::connected);
    control_->page.our_live.store(live::open);
    if (!victim_comes_to({bus_state::connected}, handshake_limit))
        throw std::runtime_error("the victim's frontend does not go to Connected");
}

void link::drop() {
    say(bus_state::closed);
    victim_comes_to({bus_state::closed, bus_state::init_wait, bus_state::initialising}, handshake_limit);
    forget();
    forget_messages();
}

void link::forget_messages() {
    messages_.clear();
    to_release_.clear();
}

void link::release_some() {
    while (!to_release_.empty() && page().tx.space() >= sizeof(message)) {
        const auto ref = to_release_.back();
        to_release_.pop_back();
        send(vchan_message(op::release, ref));
    }
}

void link::send(const message& what) {
    const auto end = clock::now() + send_limit;
    while (page().tx.space() < sizeof what) {
        page().asked_of_peer.set_bits(tell_when_read);
        if (page().tx.space() >= sizeof what)
            break;
        if (clock::now() > end)
            throw std::runtime_error("the victim does not take our messages");
        event().wait(50ms);
    }
    page().tx.write(&what, sizeof what);
    if (page().asked_of_us.clear_bits(tell_when_written))
        kick();
}

void link::receive() {
    // Bounded, because an attack may have spoilt the ring under our own feet.
    for (auto slots = page().rx.size / sizeof(message); slots > 0 && page().rx.filled() >= sizeof(message);
         --slots) {
        message what;
        page().rx.read(&what, sizeof what);
        if (page().asked_of_us.clear_bits(tell_when_read))
            kick();
        if (releases_kept_ && what.op == op::released)
            continue;
        if (releases_kept_ && what.op == op::reset && what.ring_ref != 0)
            to_release_.push_back(what.ring_ref);
        if (messages_.size() < most_messages)
            messages_.push_back(what);
    }
    release_some();
}

std::optional<message> link::take(std::initializer_list<std::uint8_t> ops, std::uint32_t id) {
    receive();
    const auto found = std::find_if(messages_.begin(), messages_.end(), [&](const message& what) {
        return (id == any_id || what.id == id) && std::find(ops.begin(), ops.end(), what.op) != ops.end();
    });
    if (found == messages_.end())
        return std::nullopt;
    const auto what = *found;
    messages_.erase(found);
    return what;
}

std::optional<message> link::next(std::initializer_list<std::uint8_t> ops, std::uint32_t id,
                                  milliseconds limit) {
    const auto end = clock::now() + limit;
    for (;;) {
        if (const auto what = take(ops, id))
            return what;
        page().asked_of_peer.set_bits(tell_when_written);
        if (page().rx.filled() >= sizeof(message))
            continue;
        const auto now = clock::now();
        if (now >= end)
            return std::nullopt;
        event().wait(std::min(std::chrono::ceil<milliseconds>(end - now), milliseconds(100)));
    }
}

std::optional<message> link::next_request(milliseconds limit) {
    return next({op::request}, any_id, limit);
}

std::optional<message> link::next_answer(std::uint32_t id, milliseconds limit) {
    return next({op::response, op::reset}, id, limit);
}

} // namespace xvsock::hostile
