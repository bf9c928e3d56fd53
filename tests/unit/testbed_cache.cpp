// SPDX-License-Identifier: MIT
// The image cache: keys, entries that are whole or absent, what is thrown away.
#include <chrono>
#include <filesystem>
#include <fstream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "host/failure.hpp"
#include "host/image_cache.hpp"

namespace asio = boost::asio;
namespace fs = std::filesystem;
using namespace xvsock::testbed;

namespace {

class testbed_cache : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "testbed-cache-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
    }
    void TearDown() override { fs::remove_all(folder_); }

    // Obtains an entry; rethrows what the builder threw.
    fs::path obtain(const image_cache::builder& build) {
        image_cache cache(folder_, [](const std::string&) {});
        asio::io_context context;
        fs::path result;
        std::exception_ptr problem;
        asio::co_spawn(context, cache.obtain("kind", "recipe", build),
                       [&](const std::exception_ptr& error, fs::path path) {
                           problem = error;
                           result = std::move(path);
                       });
        context.run();
        if (problem)
            std::rethrow_exception(problem);
        return result;
    }

    fs::path folder_;
};

asio::awaitable<void> write_one(fs::path folder) {
    std::ofstream(folder / "file") << "content";
    co_return;
}

asio::awaitable<void> write_and_fail(fs::path folder) {
    std::ofstream(folder / "file") << "half";
    throw failure(exit_environment, "no network");
    co_return;
}

TEST(testbed_cache_key, depends_on_kind_and_recipe) {
    EXPECT_EQ(cache_key("guest", "a\nb\n"), cache_key("guest", "a\nb\n"));
    EXPECT_NE(cache_key("guest", "a\nb\n"), cache_key("guest", "a\nc\n"));
    EXPECT_NE(cache_key("guest", "a\n"), cache_key("dom0", "a\n"));
    EXPECT_TRUE(cache_key("guest", "a").starts_with("guest-"));
}

TEST_F(testbed_cache, builds_once) {
    int built = 0;
    const image_cache::builder build = [&](fs::path folder) {
        ++built;
        return write_one(std::move(folder));
    };
    const auto first = obtain(build);
    const auto second = obtain(build);
    EXPECT_EQ(first, second);
    EXPECT_EQ(built, 1);
    EXPECT_TRUE(fs::exists(first / "file"));
}

TEST_F(testbed_cache, failed_build_leaves_nothing) {
    EXPECT_THROW(obtain(write_and_fail), failure);
    for (const auto& entry : fs::directory_iterator(folder_))
        EXPECT_EQ(entry.path().filename(), "lock");
    EXPECT_TRUE(fs::exists(obtain(write_one) / "file"));
}

TEST_F(testbed_cache, interrupted_build_is_removed) {
    fs::create_directories(folder_ / "building-guest-1");
    obtain(write_one);
    EXPECT_FALSE(fs::exists(folder_ / "building-guest-1"));
}

TEST_F(testbed_cache, old_entries_are_removed) {
    const auto entry = obtain(write_one);
    const auto days = [](int count) { return std::chrono::hours(24 * count); };
    const auto now = fs::file_time_type::clock::now();
    fs::last_write_time(entry / "recipe", now - days(image_cache::max_age_days - 1));
    {
        image_cache cache(folder_, [](const std::string&) {});
    }
    EXPECT_TRUE(fs::exists(entry));
    fs::last_write_time(entry / "recipe", now - days(image_cache::max_age_days + 1));
    {
        image_cache cache(folder_, [](const std::string&) {});
    }
    EXPECT_FALSE(fs::exists(entry));
}

} // namespace
