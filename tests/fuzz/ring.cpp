// SPDX-License-Identifier: MIT
// One side of a vchan against a peer that writes anything into the shared page at any time: nothing outside
// the rings is touched, no index is believed that cannot be, and each is read once.
//
// The input: the attach (role and layout, left order, right order, first index: 1, 2, 2, 4 bytes), then
// operations of a byte and its arguments, see side::step(). Whenever the code under test touches shared
// memory, one byte is taken for what the peer does just then, see peer::act().
#include "hostile_platform.hpp"
#include "input.hpp"

#include <vchan/layout.h>
#include <vchan/notify.h>
#include <vchan/ring.h>

#include <array>
#include <memory>

namespace xvsock::fuzz {

namespace {

constexpr std::array<std::uint8_t, 2> notify_bits{VCHAN_NOTIFY_WRITE, VCHAN_NOTIFY_READ};

/// What the peer and we have in common. Large rings have memory of exactly their size, of their own, so that
/// AddressSanitizer sees each access beyond it.
struct memory {
    alignas(VCHAN_PAGE_SIZE) std::array<std::uint8_t, VCHAN_PAGE_SIZE> bytes{};
    vchan_page& page = *reinterpret_cast<vchan_page*>(bytes.data());
    vchan_words words = vchan_words_of(&page, VCHAN_LAYOUT_XEN);

    std::uint8_t* ring(std::uint32_t order, bool left) {
        if (const auto offset = vchan_inpage_offset(order); offset != 0) {
            require(offset + (1u << order) <= VCHAN_PAGE_SIZE, "an in-page ring ends in the page");
            return bytes.data() + offset;
        }
        // Kept between inputs: what is in them decides nothing.
        static std::array<std::array<std::unique_ptr<std::uint8_t[]>, VCHAN_ORDER_MAX + 1>, 2> large;
        auto& one = large.at(left ? 0 : 1).at(order);
        if (!one)
            one = std::make_unique<std::uint8_t[]>(std::size_t{1} << order);
        return one.get();
    }
};

class peer : public adversary {
public:
    peer(input& from, memory& at) : input_(from), memory_(at) {}

    void act() override {
        auto& page = memory_.page;
        const auto& words = memory_.words;
        const auto choice = input_.take<std::uint8_t>();
        std::uint32_t* const indices[] = {words.left.cons, words.left.prod, words.right.cons,
                                          words.right.prod};
        switch (choice >> 5U) {
        case 1: // a step in the right direction, or a small lie
            *indices[choice & 3U] += input_.take<std::uint8_t>();
            break;
        case 2:
            *indices[choice & 3U] -= input_.take<std::uint8_t>();
            break;
        case 3:
            *indices[choice & 3U] = input_.take<std::uint32_t>();
            break;
        case 4: // by a ring's size, or nearly
            *indices[choice & 3U] += (1u << (choice >> 2U & 7U) << 9U) - 1 + input_.take<std::uint8_t>() % 3;
            break;
        case 5:
            *(choice & 1U ? words.cli_notify : words.srv_notify) = input_.take<std::uint8_t>();
            break;
        case 6:
            (choice & 1U ? page.left_order : page.right_order) = input_.take<std::uint16_t>();
            break;
        case 7: { // anything in the page
            const auto at = input_.take<std::uint16_t>() % memory_.bytes.size();
            memory_.bytes.at(at) = input_.take<std::uint8_t>();
            break;
        }
        default:
            break;
        }
    }

private:
    input& input_;
    memory& memory_;
};

struct ring_end {
    vchan_end end;
    std::uint8_t* bytes;
};

class side {
public:
    side(input& from, memory& at) : input_(from), memory_(at) {
        const auto which = from.take<std::uint8_t>();
        const bool server = (which & 1U) != 0;
        memory_.words = vchan_words_of(&memory_.page, which & 2U ? VCHAN_LAYOUT_WIDE : VCHAN_LAYOUT_XEN);
        const auto& words = memory_.words;
        memory_.page.left_order = from.take<std::uint16_t>();
        memory_.page.right_order = from.take<std::uint16_t>();
        const auto first = from.take<std::uint32_t>();

        // As a client that attaches: copied once, checked, and only the copies used.
        std::uint32_t left = vchan_load_relaxed(&memory_.page.left_order);
        std::uint32_t right = vchan_load_relaxed(&memory_.page.right_order);
        if (!check_orders(left, right)) {
            left = VCHAN_ORDER_SMALL;
            right = VCHAN_ORDER_LARGE;
        }
        auto& to_server = server ? reader_ : writer_;
        auto& to_client = server ? writer_ : reader_;
        vchan_end_init(&to_server.end, words.left, left);
        vchan_end_init(&to_client.end, words.right, right);
        to_server.bytes = memory_.ring(left, true);
        to_client.bytes = memory_.ring(right, false);
        asked_of_us_ = server ? words.srv_notify : words.cli_notify;
        asked_of_peer_ = server ? words.cli_notify : words.srv_notify;

        // As if so much had gone both ways already.
        for (auto* end : {&reader_.end, &writer_.end})
            end->index = end->seen = *end->at.cons = *end->at.prod = first;
    }

    void step() {
        const auto what = input_.take<std::uint8_t>();
        const auto bit = notify_bits.at(what >> 4U & 1U);
        shared().record.clear();
        switch (what % 8) {
        case 0:
            write(what & 32U);
            break;
        case 1:
            read();
            break;
        case 2:
            look_ahead(what & 8U ? writer_.end : reader_.end);
            break;
        case 3:
            request(bit);
            break;
        case 4:
            withdraw(bit);
            break;
        case 5:
            take(bit);
            break;
        case 6:
            event(bit);
            break;
        default: {
            const auto left = input_.take<std::uint32_t>();
            check_orders(left, input_.take<std::uint32_t>());
        }
        }
    }

private:
    /// The only access that there was.
    static const access_record& only(access kind, const void* at) {
        const auto& record = shared().record;
        require(record.size() == 1 && record.front().kind == kind && record.front().at == at,
                "one access to shared memory, to the place that was meant");
        return record.front();
    }

    std::uint32_t unit_for(const vchan_end& end) {
        return input_.take<std::uint8_t>() % 2 != 0 ? VCHAN_PAGE_SIZE : end.size;
    }

    static vchan_span checked_span(const vchan_end& end, std::uint32_t ahead, std::uint32_t want,
                                   std::uint32_t unit) {
        const auto span = vchan_span_at(&end, ahead, want, unit);
        const auto piece = std::min(unit, end.size);
        require(span.offset < end.size, "a span begins in the ring");
        require(span.length <= end.size - span.offset, "a span ends in the ring");
        require(span.offset == (std::uint64_t{end.index} + ahead) % (std::uint64_t{1} << 32U) % end.size,
                "a span begins where the index is");
        require(span.length <= want, "a span is no longer than was asked for");
        require((span.length == 0) == (want == 0), "a span is empty only when nothing was asked for");
        require(want == 0 || span.offset / piece == (span.offset + span.length - 1) / piece,
                "a span lies in one piece of the ring's memory");
        require(span.length == want || (span.offset + span.length) % piece == 0,
                "a span is shorter than was asked for only at the end of a piece");
        return span;
    }

    /// Calls `each` with the pieces of the next `count` bytes.
    template <class Each> void for_spans(const ring_end& ring, std::uint32_t count, Each each) {
        const auto unit = unit_for(ring.end);
        for (std::uint32_t done = 0; done < count;) {
            const auto span = checked_span(ring.end, done, count - done, unit);
            each(ring.bytes + span.offset, span.length);
            done += span.length;
        }
    }

    static void check_advanced(const vchan_end& end, std::uint32_t index, const std::uint32_t* own) {
        require(end.index == index, "an index moves by what was moved");
        require(only(access::store, own).value == index, "the index is published");
    }

    void write(bool for_some) {
        auto& end = writer_.end;
        const auto index = end.index;
        const auto seen = end.seen;
        const auto want = for_some ? input_.take<std::uint32_t>() : 0xffffffff;
        std::uint32_t space = 0xffffffff;
        require(index - seen <= end.size, "what was seen is possible");
        const bool valid =
            for_some ? vchan_writer_space_for(&end, want, &space) : vchan_writer_space(&end, &space);
        const bool known = for_some && end.size - (index - seen) >= want;
        require(shared().record.empty() == known, "the reader's index is read when it has to be");
        const std::uint32_t used = index - (known ? seen : only(access::load, end.at.cons).value);
        require(end.seen == (valid ? index - used : seen), "what is kept was seen and is possible");
        require(valid == (used <= end.size), "exactly the possible indices of a reader are believed");
        require(space == (valid ? end.size - used : 0), "space is what is not used");
        require(end.index == index, "looking moves nothing");

        const auto count = std::min(space, input_.take<std::uint32_t>());
        for_spans(writer_, count,
                  [](std::uint8_t* to, std::uint32_t length) { std::memset(to, 0x5a, length); });
        shared().record.clear();
        vchan_writer_advance(&end, count);
        check_advanced(end, index + count, end.at.prod);
        require(!valid || used + count <= end.size, "no more is used than the ring holds");
    }

    void read() {
        auto& end = reader_.end;
        const auto index = end.index;
        std::uint32_t available = 0xffffffff;
        const bool valid = vchan_reader_avail(&end, &available);
        const std::uint32_t filled = only(access::load, end.at.prod).value - index;
        require(valid == (filled <= end.size), "exactly the possible indices of a writer are believed");
        require(available == (valid ? filled : 0), "what is there is what was written");
        require(end.index == index, "looking moves nothing");

        const auto count = std::min(available, input_.take<std::uint32_t>());
        static std::array<std::uint8_t, 1u << VCHAN_ORDER_MAX> copy;
        std::uint32_t copied = 0;
        for_spans(reader_, count, [&](const std::uint8_t* from, std::uint32_t length) {
            std::memcpy(copy.data() + copied, from, length);
            copied += length;
        });
        require(copied == count, "the spans add up");
        shared().record.clear();
        vchan_reader_advance(&end, count);
        check_advanced(end, index + count, end.at.cons);
    }

    void look_ahead(const vchan_end& end) {
        const auto ahead = input_.take<std::uint32_t>();
        const auto unit = unit_for(end);
        checked_span(end, ahead, input_.take<std::uint32_t>(), unit);
        require(shared().record.empty(), "a span depends on nothing that the peer can write");
    }

    void request(std::uint8_t bit) {
        vchan_notify_request(asked_of_peer_, bit);
        const auto& record = shared().record;
        require(record.front().kind == access::load && record.front().at == asked_of_peer_,
                "a request looks whether it stands");
        const bool stood = (record.front().value & bit) != 0;
        require(record.size() == (stood ? 2 : 3), "a request does nothing else");
        require(stood || (record[1].kind == access::flag_set && record[1].at == asked_of_peer_ &&
                          record[1].value == bit),
                "a request that does not stand is made");
        require(record.back().kind == access::barrier, "a barrier ends each request");
    }

    void withdraw(std::uint8_t bit) {
        vchan_notify_withdraw(asked_of_peer_, bit);
        const auto& record = shared().record;
        const bool stood = (record.front().value & bit) != 0;
        require(record.front().kind == access::load && record.size() == (stood ? 2 : 1) &&
                    (!stood || record[1].kind == access::flag_clear),
                "a request that stands is withdrawn");
    }

    void take(std::uint8_t bit) {
        const bool kick = vchan_notify_take(asked_of_us_, bit);
        const auto& record = shared().record;
        require(record.front().kind == access::barrier, "a barrier is before the look for requests");
        require(record[1].kind == access::load && record[1].at == asked_of_us_,
                "requests of us are looked for");
        const bool stood = (record[1].value & bit) != 0;
        require(record.size() == (stood ? 3 : 2), "taking does nothing else");
        require(!stood || (record[2].kind == access::flag_clear && record[2].at == asked_of_us_),
                "a request is taken by clearing it");
        require(kick == (stood && record[2].value != 0),
                "who has cleared the request kicks, and nobody else");
    }

    void event(std::uint8_t bit) {
        const auto index = input_.take<std::uint32_t>();
        const auto seen = seen_;
        bool moved = false;
        const bool ends = vchan_notify_ends_wait(asked_of_peer_, bit, index, &seen_, &moved);
        require(moved == (index != seen) && seen_ == index, "an event compares with the index seen before");
        const auto& record = shared().record;
        require(record.size() <= 1, "an event reads once");
        require(moved ? ends : ends == ((record.at(0).value & bit) == 0),
                "an event ends the wait if it brings news, or the request is gone");
    }

    /// Against bytes that are counted one by one. Returns whether a page can hold these orders.
    static bool check_orders(std::uint32_t left, std::uint32_t right) {
        const bool valid = vchan_orders_valid(left, right);
        const auto possible = [](std::uint32_t order) { return order >= 10 && order <= 20; };
        if (!possible(left) || !possible(right)) {
            require(!valid, "an order out of range is refused");
            return false;
        }
        std::array<bool, VCHAN_PAGE_SIZE> taken{};
        bool overlap = false;
        const auto occupy = [&](std::size_t from, std::size_t count) {
            for (auto at = from; at < from + count; ++at) {
                overlap = overlap || at >= taken.size() || taken.at(at);
                if (!overlap)
                    taken.at(at) = true;
            }
        };
        std::size_t grants = 0;
        for (const auto order : {left, right}) {
            const std::size_t bytes = std::size_t{1} << order;
            if (bytes < VCHAN_PAGE_SIZE)
                occupy(bytes, bytes); // libxenvchan's choice: 1 KiB at 1024, 2 KiB at 2048
            else
                grants += bytes / VCHAN_PAGE_SIZE;
            require(vchan_ring_pages(order) == (bytes < VCHAN_PAGE_SIZE ? 0 : bytes / VCHAN_PAGE_SIZE),
                    "a ring's pages hold its bytes");
        }
        occupy(0, offsetof(vchan_page, grants) + grants * sizeof(std::uint32_t));
        require(valid == !overlap, "a page holds what does not overlap in it");
        return valid;
    }

    input& input_;
    memory& memory_;
    ring_end writer_{};
    ring_end reader_{};
    std::uint8_t* asked_of_us_ = nullptr;
    std::uint8_t* asked_of_peer_ = nullptr;
    std::uint32_t seen_ = 0;
};

} // namespace

} // namespace xvsock::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace xvsock::fuzz;
    input from(data, size);
    memory common;
    peer other(from, common);
    shared().other_side = &other;
    side ours(from, common);
    while (!from.empty())
        ours.step();
    shared().other_side = nullptr;
    return 0;
}
