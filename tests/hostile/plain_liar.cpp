// SPDX-License-Identifier: MIT
// plain-liar DOMID: offers vchans that are wrong to the domain, which runs the module, and comes to its
// offers as a client that is: see plain_lies.hpp. Without libxenvchan, which would not. Runs until it is
// killed.
#include "plain_lies.hpp"
#include "xen.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <list>
#include <optional>
#include <stdexcept>
#include <thread>

extern "C" {
#include <xenstore.h>
}

namespace xvsock::hostile {
namespace {

std::uint32_t port_of(plain_lie lie) {
    return first_lie_port + static_cast<std::uint32_t>(lie);
}

template <typename Number> void put(std::uint8_t* page, std::size_t at, Number value) {
    std::memcpy(page + at, &value, sizeof value);
}

template <typename Number> Number get(const std::uint8_t* page, std::size_t at) {
    Number value{};
    std::memcpy(&value, page + at, sizeof value);
    return value;
}

/// What is in the page of a vchan whose rings are in it.
void write_page(std::uint8_t* page) {
    put<std::uint16_t>(page, offset::left_order, order_small);
    put<std::uint16_t>(page, offset::right_order, order_large);
    page[offset::cli_live] = 2;
    page[offset::srv_live] = 1;
    page[offset::cli_notify] = 1;
    page[offset::srv_notify] = 1;
}

void lie_in_page(plain_lie lie, std::uint8_t* page) {
    switch (lie) {
    case plain_lie::closed:
        page[offset::srv_live] = 0;
        break;
    case plain_lie::order_zero:
        put<std::uint16_t>(page, offset::left_order, 0);
        break;
    case plain_lie::order_huge:
        put<std::uint16_t>(page, offset::right_order, order_max + 1);
        break;
    case plain_lie::same_small_orders:
        put<std::uint16_t>(page, offset::right_order, order_small);
        break;
    case plain_lie::no_grants:
        put<std::uint16_t>(page, offset::left_order, order_page + 2);
        for (std::uint32_t i = 0; i < 4; ++i)
            put<std::uint32_t>(page, offset::grants + 4 * std::size_t{i}, 0x7fff0000 + i);
        break;
    case plain_lie::producer:
        put<std::uint32_t>(page, offset::right_prod, 0x80000000);
        break;
    case plain_lie::consumer:
        put<std::uint32_t>(page, offset::left_cons, 5);
        break;
    case plain_lie::strange_live:
        page[offset::srv_live] = 0x71;
        break;
    default:
        break;
    }
}

class liar {
public:
    explicit liar(domid victim) : victim_(victim), own_(store().read("domid").value_or("")) {}

    void offer_all() {
        for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(plain_lie::client_producer); ++i)
            offer(static_cast<plain_lie>(i));
    }

    [[noreturn]] void go_on() {
        std::list<std::thread> clients;
        for (auto i = static_cast<std::uint32_t>(plain_lie::client_producer);
             i < static_cast<std::uint32_t>(plain_lie::count); ++i)
            clients.emplace_back([this, lie = static_cast<plain_lie>(i)] { visit_for_ever(lie); });
        for (;;) { // what changes without end
            for (auto& server : servers_)
                torment(server);
            std::this_thread::sleep_for(1ms);
        }
    }

private:
    struct server {
        plain_lie lie;
        granted_pages page;
        event_port events;
    };

    void offer(plain_lie lie) {
        server made{lie, granted_pages(victim_, 1), event_port::unbound(victim_)};
        write_page(made.page.data());
        lie_in_page(lie, made.page.data());
        const std::string path = "data/vsock/" + std::to_string(victim_) + "/" + std::to_string(port_of(lie));
        publish(path + "/ring-ref", lie == plain_lie::no_numbers ? "many"
                                    : lie == plain_lie::no_page  ? "2147418112"
                                                                 : std::to_string(made.page.refs().at(0)));
        publish(path + "/event-channel",
                lie == plain_lie::no_port ? "100000" : std::to_string(made.events.number()));
        servers_.push_back(std::move(made));
    }

    /// As libxenvchan does it: the client may read it.
    void publish(const std::string& path, const std::string& value) const {
        const std::unique_ptr<xs_handle, void (*)(xs_handle*)> handle(xs_open(0), xs_close);
        std::array<xs_permissions, 2> access{};
        access[0] = {.id = static_cast<unsigned>(std::stoul(own_)), .perms = XS_PERM_NONE};
        access[1] = {.id = victim_, .perms = XS_PERM_READ};
        if (!handle ||
            !xs_write(handle.get(), XBT_NULL, path.c_str(), value.data(),
                      static_cast<unsigned>(value.size())) ||
            !xs_set_permissions(handle.get(), XBT_NULL, path.c_str(), access.data(), access.size()))
            throw std::runtime_error("cannot write " + path);
    }

    static void torment(server& one) {
        if (one.lie != plain_lie::flipping && one.lie != plain_lie::storm)
            return;
        if (one.page.data()[offset::cli_live] != 1)
            return; // nobody has come
        if (one.lie == plain_lie::flipping)
            one.page.data()[offset::srv_live] ^= 0x40; // never the 0 of an end
        for (int i = 0; i < (one.lie == plain_lie::storm ? 200 : 1); ++i)
            one.events.notify();
    }

    void visit_for_ever(plain_lie lie) {
        const std::string path = "/local/domain/" + std::to_string(victim_) + "/data/vsock/" + own_ + "/" +
                                 std::to_string(port_of(lie));
        for (;;) {
            try {
                visit(lie, path);
            } catch (const std::exception&) { // not offered at this moment
            }
            std::this_thread::sleep_for(lie == plain_lie::client_flood ? 1ms : 100ms);
        }
    }

    static void wait_for_end(const std::uint8_t* page) {
        for (int i = 0; i < 300 && page[offset::srv_live] != 0; ++i)
            std::this_thread::sleep_for(20ms);
    }

    void visit(plain_lie lie, const std::string& path) {
        const store nodes;
        const std::array<grant_ref, 1> ref{nodes.read_number(path + "/ring-ref", 0)};
        const auto port = nodes.read_number(path + "/event-channel", 0);
        if (ref[0] == 0 || port == 0)
            throw std::runtime_error("nothing is offered");
        mapped_pages mapping(victim_, ref);
        std::uint8_t* const page = mapping.data();
        if (page[offset::cli_live] != 2)
            throw std::runtime_error("it has had a client");
        std::optional<event_port> events;
        if (lie != plain_lie::client_portless)
            events.emplace(event_port::bound(victim_, port));
        const auto kick = [&] {
            if (events && lie != plain_lie::client_silent)
                events->notify();
        };
        if (lie == plain_lie::client_pageless) {
            wait_for_end(page);
            return;
        }
        page[offset::cli_live] = 1;
        kick();
        if (lie == plain_lie::client_flood) {
            page[offset::cli_live] = 0;
            kick();
            return;
        }
        // A socket of the module's has been made when somebody reads or writes there; wait for no one.
        const auto prod = get<std::uint32_t>(page, offset::left_prod);
        if (lie == plain_lie::client_producer)
            put<std::uint32_t>(page, offset::left_prod, prod + 0x10000000);
        if (lie == plain_lie::client_consumer) {
            put<std::uint32_t>(page, offset::right_cons, 0x10000000);
            put<std::uint32_t>(page, offset::left_prod, prod + 1);
        }
        kick();
        wait_for_end(page);
        if (lie == plain_lie::client_keeps)
            std::this_thread::sleep_for(2s);
        page[offset::cli_live] = 0;
    }

    domid victim_;
    std::string own_;
    std::list<server> servers_;
};

} // namespace
} // namespace xvsock::hostile

int main(int argc, char** argv) {
    try {
        if (argc != 2)
            throw std::invalid_argument("usage: plain-liar DOMID");
        xvsock::hostile::liar all(static_cast<xvsock::hostile::domid>(std::stoul(argv[1])));
        all.offer_all();
        std::puts("plain-liar offers its vchans");
        std::fflush(stdout);
        all.go_on();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "plain-liar: %s\n", error.what());
        return EXIT_FAILURE;
    }
}
