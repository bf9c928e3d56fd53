// SPDX-License-Identifier: MIT
// Stream sockets as a program sees them; vsock-services runs in the domain with the CID given:
//   vsock-stream-test CID [--gtest_filter=…]
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include <sys/resource.h>

#include "run_tests.hpp"
#include "stream_test.hpp"

namespace {

using namespace xvsock::guest;

// A test that hangs is named, and the run ends.
class watchdog : public testing::EmptyTestEventListener {
public:
    watchdog() {
        const char* const slowness = std::getenv("SLOWNESS");
        const int limit = 120 * (slowness != nullptr ? std::atoi(slowness) : 1);
        std::thread([this, limit] {
            for (;;) {
                const auto before = tests_.load();
                for (int second = 0; second < limit && tests_.load() == before; ++second)
                    std::this_thread::sleep_for(1s);
                if (tests_.load() == before) {
                    std::fputs("the last test named hangs\n", stderr);
                    std::abort();
                }
            }
        }).detach();
    }

    void OnTestStart(const testing::TestInfo& /*test*/) override { ++tests_; }

private:
    std::atomic<unsigned> tests_{0};
};

} // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    if (argc != 2) {
        std::fprintf(stderr, "usage: vsock-stream-test CID [--gtest_…]\n");
        return 2;
    }
    server_cid = static_cast<std::uint32_t>(std::stoul(argv[1]));
    const rlimit files{.rlim_cur = 4096, .rlim_max = 4096};
    ::setrlimit(RLIMIT_NOFILE, &files);
    testing::UnitTest::GetInstance()->listeners().Append(new watchdog); // GoogleTest deletes it
    return run_tests();
}
