// SPDX-License-Identifier: MIT
// With xen-utils' vchan-socket-proxy, which runs in dom0.
#include "vchan_test.hpp"

namespace xvsock::guest {
namespace {

class VchanProxy : public vchan_test {
protected:
    static void tell_dom0(const std::string& what) {
        EXPECT_EQ(std::system(("tb signal " + what).c_str()), 0);
    }
};

// It connects to an echo, and offers the vchan anew after each client.
TEST_F(VchanProxy, ServesUs) {
    for (const std::uint64_t size : {1, 300'000, 1'000})
        run([this, size]() -> asio::awaitable<void> {
            vchan_stream stream(context);
            const vchan_address proxy{0, "/local/domain/0/data/proxy"};
            co_await stream.async_connect(proxy, use_awaitable);
            co_await must_echo(stream, size);
            co_await stream.async_close(use_awaitable);
        });
}

TEST_F(VchanProxy, IsServedAllThatWeWroteBeforeClosing) {
    run([this]() -> asio::awaitable<void> {
        vchan_stream stream(context);
        const vchan_address dom0{0, "data/to-proxy"};
        tell_dom0("proxy-receives");
        co_await stream.async_accept(dom0, {}, use_awaitable);
        co_await write_pattern(stream, 300'000);
        co_await stream.async_close(use_awaitable);
    });
}

TEST_F(VchanProxy, IsServedInBothDirections) {
    run([this]() -> asio::awaitable<void> {
        vchan_stream stream(context);
        const vchan_address dom0{0, "data/with-proxy"};
        constexpr vchan_rings rings{4096, 100'000};
        tell_dom0("proxy-answers");
        co_await stream.async_accept(dom0, rings, use_awaitable);
        co_await must_echo(stream, 300'000);
        co_await stream.async_close(use_awaitable);
    });
    EXPECT_EQ(std::system("tb wait proxies-agree 60"), 0);
}

} // namespace
} // namespace xvsock::guest
