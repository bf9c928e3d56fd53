// SPDX-License-Identifier: MIT
#include "connection.hpp"

#include <cstring>
#include <stdexcept>
#include <utility>

namespace xvsock::hostile {

namespace {

using clock = std::chrono::steady_clock;

constexpr auto answer_limit = 20s;

// Ports of our own connections: the victim's referee tells them apart by these.
std::uint32_t new_port() {
    static std::uint32_t next = 100000;
    return next++;
}

constexpr std::uint32_t our_limit = 1U << 20U; // bytes that we would have unread

// What a message says its direction and order are, if it says one of each.
std::optional<std::pair<direction, std::uint16_t>> subject_of(const message& what) {
    if ((what.left_order == 0) == (what.right_order == 0))
        return std::nullopt;
    return what.left_order != 0 ? std::pair(direction::left, what.left_order)
                                : std::pair(direction::right, what.right_order);
}

} // namespace

connection::connection(link& link, std::uint32_t dst_port)
    : link_(link), generation_(link.generation()), initiator_(true),
      own_page_(granted_pages(link.victim(), 1)), event_(event_port::unbound(link.victim())),
      page_(own_page_->data(), vchan_side::server) {
    renew();

    request_.op = op::request;
    request_.type = type_stream;
    request_.id = link.new_id();
    request_.src_port = new_port();
    request_.dst_port = dst_port;
    request_.ring_ref = own_page_->refs().front();
    request_.event_channel = event_->number();
    request_.left_order = order_small;
    request_.right_order = order_large;
}

connection::connection(link& link, const message& request)
    : link_(link), generation_(link.generation()), initiator_(false), owes_reset_(true), request_(request),
      their_page_(mapped_pages(link.victim(), std::array{request.ring_ref})),
      event_(event_port::bound(link.victim(), request.event_channel)),
      page_(their_page_->data(), vchan_side::client) {
    page_.rx.limit.store(our_limit);
    page_.tx.limited = true;
}

connection::~connection() {
    release();
    if (!owes_reset_ || link_.generation() != generation_ || link_.page().tx.space() < sizeof(message))
        return;
    send_reset();
}

message connection::answer(std::uint8_t op, std::uint32_t reason) const {
    message what;
    what.op = op;
    what.id = request_.id;
    what.reason = reason;
    return what;
}

void connection::connect() {
    link_.send(request_);
    const auto got = link_.next_answer(request_.id, answer_limit);
    if (!got)
        throw std::runtime_error("the victim does not answer a REQUEST");
    if (got->op != op::response)
        throw std::runtime_error("the victim refuses a REQUEST with reason " + std::to_string(got->reason));
}

void connection::accept() {
    page_.our_live.store(live::open);
    link_.send(answer(op::response));
}

void connection::close() {
    set_live(live::closed);
    if (!initiator_) {
        release();
        send_reset();
        return;
    }
    if (!link_.next_answer(request_.id, answer_limit))
        throw std::runtime_error("the victim does not let go of a closed connection");
    release();
}

void connection::send_reset(grant_ref keeps) {
    owes_reset_ = false;
    auto what = answer(op::reset);
    what.ring_ref = keeps;
    link_.send(what);
}

void connection::serve_next(const message& request) {
    request_ = request;
    owes_reset_ = true;
    page_ = shared_page(their_page_->data(), vchan_side::client);
    page_.rx.limit.store(our_limit);
    page_.tx.limited = true;
}

bool connection::close_for_next() {
    set_live(live::closed);
    const auto reset = link_.next_answer(request_.id, answer_limit);
    if (!reset || reset->ring_ref != request_.ring_ref)
        return false;
    renew();
    request_.id = link_.new_id();
    request_.src_port = new_port();
    return true;
}

void connection::renew() {
    std::memset(own_page_->data(), 0, offset::small_ring);
    shared_page::initialise(own_page_->data());
    page_ = shared_page(own_page_->data(), vchan_side::server);
    page_.rx.limit.store(our_limit);
    page_.tx.limited = true;
}

message connection::about(std::uint8_t op, direction which, std::uint16_t order) const {
    auto what = answer(op);
    (which == direction::left ? what.left_order : what.right_order) = order;
    return what;
}

granted_pages& connection::grant_ring(direction which, std::uint16_t order) {
    auto& ring = large(which);
    ring.order = order;
    // Section 5: those of right read-only.
    ring.own.emplace(link_.victim(), ring_pages(order),
                     which == direction::right ? access::read_only : access::read_write);
    std::memcpy(ring.own->data(), ring.own->refs().data(), ring.own->refs().size() * sizeof(grant_ref));
    return *ring.own;
}

void connection::map_ring(direction which, const message& grow) {
    auto& ring = large(which);
    ring.order = which == direction::left ? grow.left_order : grow.right_order;
    std::vector<grant_ref> refs(ring_pages(ring.order));
    {
        const mapped_pages first(link_.victim(), std::array{grow.ring_ref}, access::read_only);
        std::memcpy(refs.data(), first.data(), refs.size() * sizeof(grant_ref));
    }
    ring.theirs.emplace(link_.victim(), refs,
                        which == direction::right ? access::read_only : access::read_write);
}

void connection::ring_is_ready(direction which) {
    auto& ring = large(which);
    end_of(which).large_size = std::uint32_t{1} << ring.order;
    end_of(which).large_memory = ring.own ? ring.own->data() : ring.theirs->data();
}

void connection::serve() {
    if (!initiator_) {
        while (const auto what = link_.take({op::grow}, id())) {
            const auto subject = subject_of(*what);
            if (!subject || what->reason != reason::none)
                continue;
            map_ring(subject->first, *what);
            ring_is_ready(subject->first);
            link_.send(about(op::grown, subject->first, subject->second));
        }
        return;
    }
    while (const auto what = link_.take({op::want, op::grown}, id())) {
        const auto subject = subject_of(*what);
        if (!subject)
            continue;
        const auto [which, order] = *subject;
        if (what->op == op::grown) {
            if (what->reason == reason::none)
                ring_is_ready(which);
            continue;
        }
        if (large(which).own)
            continue; // it is on its way
        auto grow = about(op::grow, which, order);
        grow.ring_ref = grant_ring(which, order).refs().front();
        if (which == reads())
            ring_is_ready(which);
        link_.send(grow);
    }
}

std::uint32_t connection::try_send(std::span<const std::uint8_t> data) {
    const auto count = std::min(page_.tx.space(), static_cast<std::uint32_t>(data.size()));
    if (count == 0)
        return 0;
    page_.tx.write(data.data(), count);
    if (page_.asked_of_us.clear_bits(tell_when_written))
        kick();
    return count;
}

std::uint32_t connection::try_receive(std::span<std::uint8_t> data) {
    const auto count = std::min(page_.rx.filled(), static_cast<std::uint32_t>(data.size()));
    if (count == 0)
        return 0;
    page_.rx.read(data.data(), count);
    if (page_.asked_of_us.clear_bits(tell_when_read))
        kick();
    return count;
}

void connection::wait_a_little() {
    serve();
    page_.asked_of_peer.set_bits(tell_when_written | tell_when_read);
    if (page_.rx.filled() == 0)
        event_->wait(5ms);
}

bool connection::send(std::span<const std::uint8_t> data, milliseconds limit) {
    const auto end = clock::now() + limit;
    while (!data.empty()) {
        const auto count = try_send(data);
        data = data.subspan(count);
        if (count > 0)
            continue;
        if (clock::now() > end)
            return false;
        wait_a_little();
    }
    return true;
}

bool connection::receive(std::span<std::uint8_t> data, milliseconds limit) {
    const auto end = clock::now() + limit;
    while (!data.empty()) {
        const auto count = try_receive(data);
        data = data.subspan(count);
        if (count > 0)
            continue;
        if (clock::now() > end)
            return false;
        wait_a_little();
    }
    return true;
}

void connection::revoke_rings() {
    for (auto* ring : {&left_, &right_})
        if (ring->own)
            ring->own->revoke();
}

void connection::revoke_page() {
    if (own_page_)
        own_page_->revoke();
}

void connection::release() {
    revoke_rings();
    revoke_page();
    left_.theirs.reset();
    right_.theirs.reset();
    their_page_.reset();
    event_.reset();
}

} // namespace xvsock::hostile
