// SPDX-License-Identifier: MIT
// What a REQUEST offers, and what is behind it.
#include "attack.hpp"

#include <fmt/format.h>

namespace xvsock::hostile {

namespace {

constexpr domid dom0_id = 0;

// A field of the request that the victim must not take.
struct wrong_field {
    const char* name;
    void (*spoil)(message&);
    std::uint32_t reason;
};

constexpr wrong_field wrong_fields[] = {
    {"id-0", [](message& m) { m.id = 0; }, reason::invalid},
    {"type-0", [](message& m) { m.type = 0; }, reason::invalid},
    {"type-seqpacket", [](message& m) { m.type = 5; }, reason::invalid},
    {"type-ffff", [](message& m) { m.type = 0xffff; }, reason::invalid},
    {"src-port-any", [](message& m) { m.src_port = 0xffffffff; }, reason::invalid},
    {"dst-port-any", [](message& m) { m.dst_port = 0xffffffff; }, reason::invalid},
    {"dst-port-nobody", [](message& m) { m.dst_port = port_nobody; }, reason::refused},
    {"page-ref-0", [](message& m) { m.ring_ref = 0; }, reason::invalid},
    {"page-ref-ffffffff", [](message& m) { m.ring_ref = 0xffffffff; }, reason::invalid},
    {"page-ref-unused", [](message& m) { m.ring_ref += 10000; }, reason::invalid},
    {"port-0", [](message& m) { m.event_channel = 0; }, reason::invalid},
    {"port-ffffffff", [](message& m) { m.event_channel = 0xffffffff; }, reason::invalid},
    {"port-unused", [](message& m) { m.event_channel = 900; }, reason::invalid},
    {"port-of-xenstore", [](message& m) { m.event_channel = 1; }, reason::invalid},
};

// A connection begins with 10 and 11, and nothing else.
constexpr std::uint16_t wrong_orders[][2] = {{0, 0},   {9, 12},  {12, 12},   {10, 10},    {11, 11}, {11, 10},
                                             {21, 11}, {10, 21}, {255, 255}, {65535, 11}, {10, 12}, {42, 43}};

void refuse_field(arena& at, const wrong_field& wrong) {
    connection ours(at.peer_link, service_port(action::echo));
    auto request = ours.request();
    wrong.spoil(request);
    at.must_refuse(request, wrong.reason);
}

void refuse_orders(arena& at) {
    for (const auto& [left, right] : wrong_orders) {
        connection ours(at.peer_link, service_port(action::echo));
        auto request = ours.request();
        request.left_order = left;
        request.right_order = right;
        at.must_refuse(request, reason::invalid);
    }
}

// The page says something else than the request: only the request counts.
void page_lies_about_orders(arena& at) {
    connection ours(at.peer_link, service_port(action::echo));
    shared_field<std::uint16_t>(ours.page().memory, offset::left_order).store(20);
    shared_field<std::uint16_t>(ours.page().memory, offset::right_order).store(255);
    ours.connect();
    std::vector<std::uint8_t> data(700, 'o');
    require(ours.send(data, patience) && ours.receive(data, patience), "the victim does not echo");
    ours.close();
}

// Pages that were granted, but to somebody else.
void foreign_page(arena& at) {
    connection ours(at.peer_link, service_port(action::echo));
    const granted_pages foreign(dom0_id, 1);
    auto request = ours.request();
    request.ring_ref = foreign.refs().front();
    at.must_refuse(request, reason::invalid);
}

void read_only_page(arena& at) {
    connection ours(at.peer_link, service_port(action::echo));
    const granted_pages page(at.peer_link.victim(), 1, access::read_only);
    shared_page::initialise(page.data());
    auto request = ours.request();
    request.ring_ref = page.refs().front();
    at.must_refuse(request, reason::invalid);
}

// The control page as a connection's page: it is the victim's peer that is confused then.
void control_page_as_connection(arena& at) {
    if (at.peer_link.side() == half::backend)
        return; // it is not ours
    connection ours(at.peer_link, service_port(action::both));
    auto request = ours.request();
    request.ring_ref = at.peer_link.page_ref();
    at.peer_link.send(request);
    at.peer_link.next_answer(request.id, 500ms);
}

void revoked_before(arena& at) {
    connection ours(at.peer_link, service_port(action::echo));
    const auto request = ours.request();
    ours.revoke_page();
    at.must_refuse(request, reason::invalid);
}

// Grants cannot be taken away from who has mapped the pages; we have done what we could, and go.
void revoked_while_mapped(arena& at) {
    const auto pair = at.connected(true, action::both);
    pair.ours->release();
    at.victim.close_all(at.own_cid);
    require(at.peer_link.next_answer(pair.ours->id(), patience).has_value(), "the victim sends no RESET");
}

void port_closed_before(arena& at) {
    connection ours(at.peer_link, service_port(action::echo));
    auto request = ours.request();
    {
        const auto gone = event_port::unbound(at.peer_link.victim());
        request.event_channel = gone.number();
    }
    at.must_refuse(request, reason::invalid);
}

void port_of_somebody_else(arena& at) {
    connection ours(at.peer_link, service_port(action::echo));
    const auto for_dom0 = event_port::unbound(dom0_id);
    auto request = ours.request();
    request.event_channel = for_dom0.number();
    at.must_refuse(request, reason::invalid);
}

void port_in_use(arena& at) {
    connection ours(at.peer_link, service_port(action::echo));
    auto request = ours.request();
    request.event_channel = at.peer_link.event().number();
    at.must_refuse(request, reason::invalid);

    const auto first = at.connected(true, action::receive);
    request.id = at.peer_link.new_id();
    request.event_channel = first.ours->event().number();
    at.must_refuse(request, reason::invalid);
    at.must_go_on(first);
}

void id_in_use(arena& at) {
    auto first = at.connected(true, action::echo);
    for (int round = 0; round < 5; ++round) {
        connection second(at.peer_link, service_port(action::echo));
        auto request = second.request();
        request.id = first.ours->request().id;
        at.must_refuse(request, reason::invalid);
    }
    std::vector<std::uint8_t> data(700, 'i');
    require(first.ours->send(data, patience) && first.ours->receive(data, patience),
            "the connection whose id was used again does not work");
    first.ours->close();
}

// The initiator has given up before it is served.
void given_up(arena& at) {
    connection ours(at.peer_link, service_port(action::echo));
    ours.set_live(live::closed);
    at.must_refuse(ours.request(), reason::refused);
}

void page_not_open(arena& at) {
    connection ours(at.peer_link, service_port(action::echo));
    for (const std::uint8_t value : {live::waiting, live::reset, std::uint8_t{0xee}}) {
        ours.set_live(value);
        auto request = ours.request();
        request.id = at.peer_link.new_id();
        at.must_refuse(request, reason::refused);
    }
}

void full_backlog(arena& at) {
    at.fill_backlog();
    at.victim.close_all(at.own_cid); // makes the listener anew
}

// One more than the module's parameter max_connections.
void too_many(arena& at) {
    constexpr std::size_t limit = 100;
    const module_parameter lowered(at.victim, "max_connections", limit);
    std::vector<std::unique_ptr<connection>> open;
    for (std::size_t i = 0; i < limit; ++i) {
        open.push_back(std::make_unique<connection>(at.peer_link, service_port(action::idle)));
        open.back()->connect();
    }
    connection one_more(at.peer_link, service_port(action::idle));
    at.must_refuse(one_more.request(), reason::limit);
}

} // namespace

std::vector<attack> request_attacks() {
    std::vector<attack> list;
    const auto add = [&list](std::string name, std::function<void(arena&)> run,
                             link_fate fate = link_fate::survives) {
        list.push_back({"request." + std::move(name), fate, std::move(run)});
    };
    for (const auto& wrong : wrong_fields)
        add(wrong.name, [&wrong](arena& at) { refuse_field(at, wrong); });
    add("orders-wrong", refuse_orders);
    add("orders-lie-in-page", page_lies_about_orders);
    add("page-foreign", foreign_page);
    add("page-read-only", read_only_page);
    add("page-is-control-page", control_page_as_connection, link_fate::either);
    add("revoked-before", revoked_before);
    add("revoked-while-mapped", revoked_while_mapped);
    add("port-closed", port_closed_before);
    add("port-of-dom0", port_of_somebody_else);
    add("port-in-use", port_in_use);
    add("id-in-use", id_in_use);
    add("given-up", given_up);
    add("page-not-open", page_not_open);
    add("backlog-full", full_backlog);
    add("too-many", too_many);
    return list;
}

} // namespace xvsock::hostile
