// SPDX-License-Identifier: MIT
// What a child gets of its parent's files.
#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "common/child_process.hpp"

namespace asio = boost::asio;
using namespace xvsock::testbed;

namespace {

// A descriptor that every child inherits unless something is done about it.
class inherited_file {
public:
    inherited_file() : number_(::fcntl(STDERR_FILENO, F_DUPFD, 50)) {}
    inherited_file(const inherited_file&) = delete;
    inherited_file& operator=(const inherited_file&) = delete;
    ~inherited_file() { ::close(number_); }
    [[nodiscard]] int number() const { return number_; }

private:
    int number_;
};

// Whether the descriptor is open in a child that keeps these.
bool open_in_child(int number, std::vector<int> kept) {
    asio::io_context context;
    const command what{
        .argv = {"sh", "-c", fmt::format("test -e /proc/self/fd/{}", number)},
        .kept_fds = std::move(kept),
    };
    child_process child(context.get_executor(), what);
    auto status = asio::co_spawn(context, child.wait(), asio::use_future);
    context.run();
    return status.get() == 0;
}

TEST(testbed_child_process, inherits_no_descriptor_but_what_it_is_given) {
    const inherited_file file;
    ASSERT_GE(file.number(), 50);
    EXPECT_FALSE(open_in_child(file.number(), {}));
    EXPECT_TRUE(open_in_child(file.number(), {file.number()}));
}

} // namespace
