// SPDX-License-Identifier: MIT
// A relay between client and server changes one byte: the verification must find it, at the right place.
#include "perf/client.hpp"
#include "perf_test_server.hpp"

#include <gtest/gtest.h>
#include <optional>

#include <sys/socket.h>

namespace xvsock::perf {
namespace {

enum class direction { to_server, to_client };

/// Passes one connection on, flipping bits of the byte at an offset of one direction. It ends when both ends
/// have closed.
class relay {
public:
    relay(const address& target, direction where, std::uint64_t offset)
        : listener_(parse_address(unique_unix_address(), address_role::listen)) {
        thread_ = std::jthread([=, this] {
            auto accepted = listener_.accept(watcher_);
            if (!accepted)
                return;
            stream from_client(std::move(*accepted), address_family::unix_stream);
            stream to_server = connect_to(target, {}, watcher_);
            const std::uint64_t never = UINT64_MAX;
            std::jthread back(
                [&] { pump(to_server, from_client, where == direction::to_client ? offset : never); });
            pump(from_client, to_server, where == direction::to_server ? offset : never);
        });
    }

    ~relay() { watcher_.request_stop(); }

    address where() const { return parse_address(listener_.name(), address_role::connect); }

private:
    static void pump(stream& from, stream& to, std::uint64_t flip_at) {
        try {
            std::array<std::byte, 5000> data;
            std::uint64_t offset = 0;
            while (const std::size_t size = from.receive_some(data.data(), data.size())) {
                if (flip_at >= offset && flip_at < offset + size)
                    data[flip_at - offset] ^= std::byte{0x40};
                to.send_all(data.data(), size);
                offset += size;
            }
        } catch (const connection_error&) {
            // one end is gone: so is the test
        }
        from.interrupt(stream::end_cause::stopped);
        to.interrupt(stream::end_cause::stopped);
    }

    supervisor watcher_{supervisor::options{}};
    listener listener_;
    std::jthread thread_;
};

/// The difference that a verification through the relay finds.
std::optional<mismatch> verify_through_relay(test_kind kind, std::uint32_t size, direction where,
                                             std::uint64_t offset) {
    test_server server(unique_unix_address());
    relay between(server.where(), where, offset);
    supervisor watcher({});
    stream connection = connect_to(between.where(), {}, watcher);
    client user(connection, 99);
    try {
        user.verify(kind, size, 1'000'000);
    } catch (const data_error& error) {
        return error.difference();
    }
    return std::nullopt;
}

// Offsets on the wire: a request or a reply comes first, and the go byte where the server starts sending.
constexpr std::uint64_t at = 654'321;

TEST(corruption, the_relay_alone_changes_nothing) {
    EXPECT_FALSE(verify_through_relay(test_kind::stream_both, 10'000, direction::to_server, UINT64_MAX));
}

TEST(corruption, the_server_finds_it_in_a_stream) {
    const auto found =
        verify_through_relay(test_kind::stream_send, 10'000, direction::to_server, frame_size + at);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->offset, at);
    EXPECT_EQ(found->expected ^ found->actual, 0x40);
}

TEST(corruption, the_client_finds_it_in_a_stream) {
    const auto found =
        verify_through_relay(test_kind::stream_receive, 10'000, direction::to_client, frame_size + at);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->offset, at);
    EXPECT_EQ(found->expected ^ found->actual, 0x40);
}

TEST(corruption, both_ends_find_it_when_both_send) {
    const auto by_server =
        verify_through_relay(test_kind::stream_both, 3'333, direction::to_server, frame_size + 1 + at);
    ASSERT_TRUE(by_server);
    EXPECT_EQ(by_server->offset, at);
    const auto by_client =
        verify_through_relay(test_kind::stream_both, 3'333, direction::to_client, frame_size + at);
    ASSERT_TRUE(by_client);
    EXPECT_EQ(by_client->offset, at);
}

TEST(corruption, both_ends_find_it_in_a_ping_pong) {
    for (const auto where : {direction::to_server, direction::to_client}) {
        const auto found = verify_through_relay(test_kind::ping_pong, 1'000, where, frame_size + at);
        ASSERT_TRUE(found);
        EXPECT_EQ(found->offset, at);
    }
}

TEST(corruption, single_bytes_at_both_ends_of_the_data) {
    for (const std::uint64_t offset : {0, 4095}) // a verification has at most 4096 messages
        EXPECT_EQ(verify_through_relay(test_kind::stream_send, 1, direction::to_server, frame_size + offset)
                      .value_or(mismatch{})
                      .offset,
                  offset);
}

TEST(corruption, a_changed_header_is_refused) {
    // The magic number of the request: the server drops the client.
    EXPECT_THROW(verify_through_relay(test_kind::stream_send, 10'000, direction::to_server, 0),
                 connection_error);
    // The magic number of the reply.
    EXPECT_THROW(verify_through_relay(test_kind::stream_send, 10'000, direction::to_client, 0),
                 protocol_error);
}

} // namespace
} // namespace xvsock::perf
