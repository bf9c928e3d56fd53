// SPDX-License-Identifier: MIT
// A connection with the victim (sections 4 and 5), as its initiator or its acceptor. Follows the protocol,
// except where it is told to leave a step out.
#pragma once

#include "link.hpp"

#include <memory>
#include <span>
#include <vector>

namespace xvsock::hostile {

class connection {
public:
    // As initiator: allocates and grants. The caller sends request(), as it is or not.
    connection(link& link, std::uint32_t dst_port);
    // As acceptor: maps what the request offers, and binds. The caller answers.
    connection(link& link, const message& request);
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;
    // Unmaps, and sends the RESET of an acceptor's connection if that has not been sent, so that the victim
    // need not keep a record.
    ~connection();
    // But not so.
    void leave_without_reset() { owes_reset_ = false; }

    // The honest ways: REQUEST and the wait for RESPONSE; RESPONSE.
    void connect();
    void accept();
    // Says that we close, and as acceptor unmaps and sends RESET; as initiator waits for the victim's.
    void close();
    // As acceptor: the vchan that we have kept is the next connection's.
    void serve_next(const message& request);
    // The RESET that ends it, whatever is still mapped. With a page, that is kept for the next connection.
    void send_reset(grant_ref keeps = 0);
    // As initiator: closes. If the victim keeps the vchan, it is ready for the next connect(), with a new id.
    bool close_for_next();
    void aim_at(std::uint32_t dst_port) { request_.dst_port = dst_port; }

    // Moves what can be moved now, and says how much.
    std::uint32_t try_send(std::span<const std::uint8_t> data);
    std::uint32_t try_receive(std::span<std::uint8_t> data);
    // Waits for something to receive, or for any event, for a short while.
    void wait_a_little();
    // All of it, or false.
    bool send(std::span<const std::uint8_t> data, milliseconds limit);
    bool receive(std::span<std::uint8_t> data, milliseconds limit);

    // Growth. serve() does what the victim's messages about it ask for, in the honest way.
    void serve();
    // Initiator: grants a ring, which lists its own pages; what GROW then says is the caller's to send.
    granted_pages& grant_ring(direction which, std::uint16_t order);
    [[nodiscard]] granted_pages& ring(direction which) { return *large(which).own; }
    // Acceptor: maps what GROW offers.
    void map_ring(direction which, const message& grow);
    // From now on the ring may be used.
    void ring_is_ready(direction which);
    // A message about a direction; with an order.
    [[nodiscard]] message about(std::uint8_t op, direction which, std::uint16_t order) const;
    // Whether a direction has grown.
    [[nodiscard]] bool grown(direction which) { return end_of(which).large; }

    void kick() const {
        if (event_)
            event_->notify();
    }
    void set_live(std::uint8_t value) const {
        page_.our_live.store(value);
        kick();
    }
    [[nodiscard]] bool initiator() const { return initiator_; }
    [[nodiscard]] const message& request() const { return request_; }
    [[nodiscard]] std::uint32_t id() const { return request_.id; }
    [[nodiscard]] message answer(std::uint8_t op, std::uint32_t reason = reason::none) const;
    [[nodiscard]] shared_page& page() { return page_; }
    [[nodiscard]] const event_port& event() const { return *event_; }
    // The direction that we write, or read.
    [[nodiscard]] direction writes() const { return initiator_ ? direction::right : direction::left; }
    [[nodiscard]] direction reads() const { return initiator_ ? direction::left : direction::right; }
    [[nodiscard]] ring_end& end_of(direction which) { return which == writes() ? page_.tx : page_.rx; }

    // Gives the pages back, or lets go of them, and closes the port.
    void release();
    // Parts of that. Only an initiator has grants to revoke.
    void revoke_page();
    void revoke_rings();
    void close_port() { event_.reset(); }

private:
    // The large ring of one direction: ours, or the victim's.
    struct large_ring {
        std::uint16_t order = 0;
        std::optional<granted_pages> own;
        std::optional<mapped_pages> theirs;
    };

    // The page as a new connection finds it.
    void renew();
    large_ring& large(direction which) { return which == direction::left ? left_ : right_; }

    link& link_;
    unsigned generation_; // of the link
    bool initiator_;
    bool owes_reset_ = false;
    message request_;
    std::optional<granted_pages> own_page_;
    std::optional<mapped_pages> their_page_;
    large_ring left_;
    large_ring right_;
    std::optional<event_port> event_;
    shared_page page_;
};

} // namespace xvsock::hostile
