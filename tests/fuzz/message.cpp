// SPDX-License-Identifier: MIT
// The receiving side of a control channel against a peer that writes anything into it at any time: what is
// taken out of the ring is one reading of it, and what is well-formed is what docs/protocol.md says.
//
// The input: a byte for the ring (0 left, else right) and 4 for its first index, then steps of a byte and its
// arguments, see channel::step(). A message in the input is as it is on the wire.
#include "hostile_platform.hpp"
#include "input.hpp"

#include <vsock_transport/message.h>

#include <array>
#include <memory>

namespace xvsock::fuzz {

namespace {

/// As docs/protocol.md has it, field by field.
xvsock_verdict expected_verdict(const xvsock_message& message) {
    struct field {
        std::uint32_t value;
        std::uint32_t used_in; // bit n: in op n
    };
    constexpr auto in = [](auto... ops) { return (0U | ... | (1U << static_cast<unsigned>(ops))); };
    const field fields[] = {
        {message.type, in(XVSOCK_OP_REQUEST)},
        {message.src_port, in(XVSOCK_OP_REQUEST)},
        {message.dst_port, in(XVSOCK_OP_REQUEST)},
        {message.id, ~in(XVSOCK_OP_RELEASE, XVSOCK_OP_RELEASED)},
        {message.ring_ref,
         in(XVSOCK_OP_REQUEST, XVSOCK_OP_RESET, XVSOCK_OP_GROW, XVSOCK_OP_RELEASE, XVSOCK_OP_RELEASED)},
        {message.event_channel, in(XVSOCK_OP_REQUEST)},
        {message.left_order, in(XVSOCK_OP_REQUEST, XVSOCK_OP_WANT, XVSOCK_OP_GROW, XVSOCK_OP_GROWN)},
        {message.right_order, in(XVSOCK_OP_REQUEST, XVSOCK_OP_WANT, XVSOCK_OP_GROW, XVSOCK_OP_GROWN)},
        {message.reason, in(XVSOCK_OP_RESET, XVSOCK_OP_GROW, XVSOCK_OP_GROWN, XVSOCK_OP_LIVE_INITIATOR,
                            XVSOCK_OP_LIVE_ACCEPTOR)},
    };

    if (message.version != 1)
        return XVSOCK_VERDICT_VERSION;
    if (message.op < 1 || message.op > 10)
        return XVSOCK_VERDICT_OP;
    const bool of_vchan = message.op == XVSOCK_OP_RELEASE || message.op == XVSOCK_OP_RELEASED;
    bool good = (of_vchan ? message.ring_ref : message.id) != 0;
    for (const auto& one : fields)
        good = good && (one.value == 0 || (one.used_in & in(message.op)) != 0);

    if (message.op == XVSOCK_OP_REQUEST) {
        good = good && message.type == 1 && message.src_port != 0xffffffff &&
               message.dst_port != 0xffffffff && message.left_order == 10 && message.right_order == 11;
        return good ? XVSOCK_VERDICT_GOOD : XVSOCK_VERDICT_REFUSE;
    }
    if (message.op >= XVSOCK_OP_WANT && message.op <= XVSOCK_OP_GROWN) {
        const auto large = [](unsigned order) { return order >= 12 && order <= 20; };
        good = good && ((large(message.left_order) && message.right_order == 0) ||
                        (large(message.right_order) && message.left_order == 0));
    }
    if (message.op == XVSOCK_OP_LIVE_INITIATOR || message.op == XVSOCK_OP_LIVE_ACCEPTOR)
        good = good && message.reason <= 0xff;
    if (message.op == XVSOCK_OP_GROW && message.reason != 0)
        good = good && message.ring_ref == 0;
    return good ? XVSOCK_VERDICT_GOOD : XVSOCK_VERDICT_BREAK;
}

class channel : public adversary {
public:
    explicit channel(input& from)
        : input_(from),
          order_(from.take<std::uint8_t>() == 0 ? XVSOCK_CONTROL_LEFT_ORDER : XVSOCK_CONTROL_RIGHT_ORDER),
          // of exactly the ring's size, so that AddressSanitizer sees each access beyond it
          ring_(std::make_unique<std::uint8_t[]>(std::size_t{1} << order_)) {
        // Both sides begin at 0 and move by whole messages.
        const auto first = from.take<std::uint32_t>() / XVSOCK_MESSAGE_SIZE * XVSOCK_MESSAGE_SIZE;
        vchan_end_init(&reader_, {.cons = &indices_.cons, .prod = &indices_.prod}, order_);
        reader_.index = indices_.cons = indices_.prod = first;
    }

    void step() {
        std::array<std::uint8_t, XVSOCK_MESSAGE_SIZE> message{};
        interferes_ = false;
        switch (input_.take<std::uint8_t>() % 4) {
        case 1: // a message, with one byte for what else happens whenever the ring is looked at
            interferes_ = true;
            [[fallthrough]];
        case 0: // a message
            input_.take_bytes(message.data(), message.size());
            place(message.data(), message.size());
            indices_.prod += static_cast<std::uint32_t>(message.size());
            break;
        case 2: // a part of a message
            input_.take_bytes(message.data(), message.size());
            place(message.data(), message.size());
            indices_.prod += input_.take<std::uint8_t>();
            break;
        default: // any index
            indices_.prod = input_.take<std::uint32_t>();
        }
        // as many as the ring can hold, which is also what is taken in one turn
        for (std::uint32_t i = 0; i < reader_.size / XVSOCK_MESSAGE_SIZE && take(); ++i)
            ;
        if (!possible())
            indices_.prod = reader_.index; // the link would have ended; this is the next one
    }

    void act() override {
        if (!interferes_)
            return;
        const auto choice = input_.take<std::uint8_t>();
        switch (choice >> 5U) {
        case 1:
            indices_.prod += input_.take<std::uint8_t>();
            break;
        case 2:
            indices_.prod = input_.take<std::uint32_t>();
            break;
        case 3:
            indices_.cons = input_.take<std::uint32_t>();
            break;
        case 4: // a byte of the message that is being read
            ring_[(reader_.index + (choice & 31U)) % reader_.size] = input_.take<std::uint8_t>();
            break;
        default:
            break;
        }
    }

private:
    [[nodiscard]] bool possible() const { return indices_.prod - reader_.index <= reader_.size; }

    void place(const std::uint8_t* bytes, std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i)
            ring_[(indices_.prod + i) % reader_.size] = bytes[i];
    }

    /// Whether there was a message.
    bool take() {
        auto& record = shared().record;
        record.clear();
        const auto index = reader_.index;
        xvsock_message message;
        std::memset(&message, 0xa5, sizeof message);
        const auto untouched = message;
        bool taken = true;
        const bool valid = xvsock_message_take(&reader_, ring_.get(), &message, &taken);

        require(record.front().kind == access::load && record.front().at == &indices_.prod,
                "the writer's index is read");
        const std::uint32_t filled = record.front().value - index;
        require(valid == (filled <= reader_.size), "exactly the possible indices are believed");
        require(taken == (valid && filled >= XVSOCK_MESSAGE_SIZE), "only whole messages are taken");
        if (!taken) {
            require(record.size() == 1 && reader_.index == index, "without a message, nothing else happens");
            require(std::memcmp(&message, &untouched, sizeof message) == 0, "and nothing is written");
            return false;
        }
        check_copy(message, index);
        const auto before = message;
        const auto verdict = xvsock_message_judge(&message);
        require(verdict == expected_verdict(message), "well-formed is what the protocol says");
        require(std::memcmp(&message, &before, sizeof message) == 0, "judging changes nothing");
        return true;
    }

    /// The message consists of one reading of each of its words, and then its room is given back.
    void check_copy(const xvsock_message& message, std::uint32_t index) {
        const auto& record = shared().record;
        std::array<std::uint32_t, XVSOCK_MESSAGE_WORDS> words{};
        std::memcpy(words.data(), &message, sizeof message);
        require(record.size() == 2 + words.size(), "each word is read once");
        for (std::size_t i = 0; i < words.size(); ++i) {
            const auto& one = record.at(1 + i);
            require(one.kind == access::load && one.at == ring_.get() + index % reader_.size + 4 * i,
                    "the words are read in the ring, where the index is");
            require(one.value == words.at(i), "the message is what was read");
        }
        require(record.back().kind == access::store && record.back().at == &indices_.cons &&
                    record.back().value == index + XVSOCK_MESSAGE_SIZE &&
                    reader_.index == index + XVSOCK_MESSAGE_SIZE,
                "the index moves by one message, when it has been read");
    }

    input& input_;
    bool interferes_ = false;
    std::uint32_t order_;
    std::unique_ptr<std::uint8_t[]> ring_;
    vchan_indices indices_{};
    vchan_end reader_{};
};

} // namespace

} // namespace xvsock::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace xvsock::fuzz;
    input from(data, size);
    channel control(from);
    shared().other_side = &control;
    while (!from.empty())
        control.step();
    shared().other_side = nullptr;
    return 0;
}
