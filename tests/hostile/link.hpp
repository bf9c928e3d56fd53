// SPDX-License-Identifier: MIT
// This domain's half of the peer link with the victim: the xenbus device and the control channel (sections 1
// and 3). Follows the protocol; attacks reach for what is under it.
#pragma once

#include "ring.hpp"
#include "xen.hpp"

#include <deque>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

namespace xvsock::hostile {

// The younger domain has the frontend.
enum class half { frontend, backend };

class link {
public:
    link(domid own, domid victim);

    // Brings the link up, from whatever it was. Throws when the victim does not go along.
    void make();
    // Ends it, and gives everything back.
    void drop();
    // The parts of make() and drop(), for who does something in between.
    void say(bus_state state) const;
    void offer();                    // frontend: a control page
    void take_offer();               // backend: the victim's
    void forget() { control_ = {}; } // without a word to the victim
    // Which link this is, of those that there were; 0 when there is none.
    [[nodiscard]] unsigned generation() const { return control_ ? generation_ : 0; }

    [[nodiscard]] half side() const { return side_; }
    [[nodiscard]] domid victim() const { return victim_; }
    [[nodiscard]] const store& xenstore() const { return store_; }
    [[nodiscard]] const std::string& our_half() const { return ours_; }
    [[nodiscard]] std::string our_key(const std::string& key) const { return ours_ + "/" + key; }
    [[nodiscard]] std::string their_key(const std::string& key) const { return theirs_ + "/" + key; }
    [[nodiscard]] bus_state victim_state() const;
    // Whether the victim comes to one of these states in time.
    bool victim_comes_to(std::initializer_list<bus_state> states, milliseconds limit) const;
    [[nodiscard]] bool is_up() const {
        return control_.has_value() && victim_state() == bus_state::connected;
    }

    // The control channel. send() waits for room, and throws when there is none in time.
    void send(const message& what);
    void kick() const { control_->event.notify(); }
    // Messages of the victim, the oldest first, of one of these ops and with this id. The op says whose
    // number the id is, so that one and the same queue does for both sides' connections.
    static constexpr std::uint32_t any_id = 0;
    std::optional<message> take(std::initializer_list<std::uint8_t> ops, std::uint32_t id);
    std::optional<message> next(std::initializer_list<std::uint8_t> ops, std::uint32_t id,
                                milliseconds limit);
    std::optional<message> next_request(milliseconds limit);
    std::optional<message> next_answer(std::uint32_t id, milliseconds limit);
    // Takes what there is out of the ring, for later.
    void receive();
    [[nodiscard]] std::size_t messages_waiting() const { return messages_.size(); }
    void forget_messages();
    // What the victim keeps for our next connection we have no use for: it is told so as soon as its RESET is
    // received. Not while this is off.
    void release_kept(bool yes) { releases_kept_ = yes; }

    [[nodiscard]] shared_page& page() { return control_->page; }
    [[nodiscard]] const event_port& event() const { return control_->event; }
    [[nodiscard]] grant_ref page_ref() const { return control_->ref; }

    // An id that no connection of ours has had.
    std::uint32_t new_id() { return next_id_++; }

private:
    struct control {
        std::optional<granted_pages> granted;
        std::optional<mapped_pages> mapped;
        grant_ref ref = 0;
        event_port event;
        shared_page page;
    };

    store store_;
    domid victim_;
    half side_;
    std::string ours_;
    std::string theirs_;
    std::optional<control> control_;
    unsigned generation_ = 0;
    void release_some();

    std::deque<message> messages_;
    bool releases_kept_ = true;
    std::vector<grant_ref> to_release_; // when there is room
    std::uint32_t next_id_ = 1;
};

} // namespace xvsock::hostile
