// SPDX-License-Identifier: MIT
// Errors of connect: the peer and the likely cause.
#include "asio_test.hpp"

namespace xvsock::guest {
namespace {

class AsioError : public asio_test {
protected:
    /// Fails to connect, blocking and not, in the same way.
    void expect_failure(const protocol::endpoint& peer, cause why, const std::string& text) {
        protocol::socket socket(context_);
        try {
            xvsock::connect(socket, peer);
            FAIL() << "connected to " << peer;
        } catch (const connect_error& error) {
            check(error, peer, why, text);
        }
        protocol::socket another(context_);
        std::exception_ptr result;
        xvsock::async_connect(another, peer, [&](std::exception_ptr error) { result = std::move(error); });
        run();
        ASSERT_TRUE(result);
        try {
            std::rethrow_exception(result);
        } catch (const connect_error& error) {
            check(error, peer, why, text);
        }
    }

private:
    static void check(const connect_error& error, const protocol::endpoint& peer, cause why,
                      const std::string& text) {
        EXPECT_EQ(error.why(), why) << error.what();
        EXPECT_EQ(error.peer(), peer);
        const std::string what = error.what();
        EXPECT_NE(what.find("cannot connect to " + to_string(peer)), std::string::npos) << what;
        EXPECT_NE(what.find(text), std::string::npos) << what;
    }
};

TEST_F(AsioError, NoListener) {
    expect_failure(server(service::nobody), cause::no_listener, "nobody listens on port");
}

TEST_F(AsioError, NoLink) {
    expect_failure({77, 80}, cause::no_link, "no peer link to CID 77");
}

// Run after the module was unloaded.
class WithoutModule : public AsioError {};

TEST_F(WithoutModule, TheModuleIsNamed) {
    expect_failure(server(service::echo), cause::no_module, "xen_vsock is not loaded");
}

} // namespace
} // namespace xvsock::guest
