// SPDX-License-Identifier: MIT
// What goes wrong before there is a stream.
#include "vchan_test.hpp"

namespace xvsock::guest {
namespace {

class VchanError : public vchan_test {};

TEST_F(VchanError, ALimitOfTimeIsKept) {
    run([this]() -> asio::awaitable<void> {
        vchan_stream stream(context);
        asio::steady_timer limit(context, 100ms);
        const auto address = offer_of("g2", "nobody");
        auto connect = stream.async_connect(address, use_awaitable);
        EXPECT_EQ((co_await (std::move(connect) || limit.async_wait(use_awaitable))).index(), 1U);
        EXPECT_FALSE(stream.is_open());
    });
}

TEST_F(VchanError, ADomainThatIsNotThereIsUnreachable) {
    run([this]() -> asio::awaitable<void> {
        vchan_stream stream(context);
        const vchan_address nobody{31000, "/local/domain/31000/data/x"};
        const auto [connect_error] = co_await stream.async_connect(nobody, with_error);
        EXPECT_EQ(connect_error, asio::error::host_unreachable);
        EXPECT_NE(explain_vchan(connect_error, nobody).find("no such domain"), std::string::npos);
    });
}

TEST_F(VchanError, ADomainsNodesAreItsOwn) {
    run([this]() -> asio::awaitable<void> {
        vchan_stream stream(context);
        const auto address = offer_of("g2", "not-ours");
        const auto [error] = co_await stream.async_accept(address, {}, with_error);
        EXPECT_EQ(error, boost::system::errc::permission_denied);
        EXPECT_NE(explain_vchan(error, address).find("not write " + address.path), std::string::npos);
    });
}

// xen-gntalloc has a limit, which is seen and does no harm.
TEST_F(VchanError, MorePagesThanMayBeGrantedIsAnError) {
    run([this]() -> asio::awaitable<void> {
        std::vector<vchan_stream> all;
        error_code error;
        const vchan_rings large{1 << 20, 1 << 20};
        for (int i = 0; i < 100 && !error; ++i) {
            auto& stream = all.emplace_back(context);
            const vchan_address address{domain_of("g2"), "data/large-" + std::to_string(i)};
            stream.async_accept(address, large, [&error](const error_code& what) {
                if (what != asio::error::operation_aborted)
                    error = what;
            });
            co_await after(50ms);
        }
        EXPECT_EQ(error, boost::system::errc::no_space_on_device)
            << error.message() << " after " << all.size();
        EXPECT_NE(explain_vchan(error, {1, "x"}).find("xen-gntalloc"), std::string::npos);
    });
}

// As before the kernel's modules are loaded.
TEST_F(VchanError, NoDevicesAreExplained) {
    run([this]() -> asio::awaitable<void> {
        vchan_stream stream(context);
        const vchan_address address{domain_of("g2"), "data/x"};
        const auto [error] = co_await stream.async_accept(address, {}, with_error);
        EXPECT_EQ(error, boost::system::errc::no_such_file_or_directory) << error.message();
        EXPECT_NE(explain_vchan(error, address).find("xen-gntalloc have to be loaded"), std::string::npos);
    });
}

} // namespace
} // namespace xvsock::guest
