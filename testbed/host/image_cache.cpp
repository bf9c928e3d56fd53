// SPDX-License-Identifier: MIT
#include "host/image_cache.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <fmt/format.h>

#include "host/failure.hpp"
#include "host/tool.hpp"

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace xvsock::testbed {

namespace {

constexpr const char* temporary_prefix = "building-";
constexpr const char* recipe_file = "recipe";

} // namespace

std::string cache_key(const std::string& kind, const std::string& recipe) {
    const boost::uuids::name_generator_sha1 generator(boost::uuids::ns::oid());
    return fmt::format("{}-{}", kind, boost::uuids::to_string(generator(recipe)));
}

image_cache::image_cache(fs::path root, const std::function<void(const std::string&)>& waiting)
    : root_(std::move(root)) {
    std::error_code error;
    fs::create_directories(root_, error);
    const auto lock_file = root_ / "lock";
    lock_ = error ? -1 : ::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock_ < 0)
        throw failure(exit_environment, fmt::format("cannot use the cache folder {}: {}", root_.string(),
                                                    error ? error.message() : std::strerror(errno)));
    if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
        waiting("another run prepares images; waiting for it");
        if (::flock(lock_, LOCK_EX) != 0) {
            const int reason = errno;
            ::close(lock_);
            throw failure(exit_environment,
                          fmt::format("cannot lock {}: {}", lock_file.string(), std::strerror(reason)));
        }
    }
    clean();
}

image_cache::~image_cache() {
    ::close(lock_);
}

void image_cache::clean() const {
    const auto oldest = fs::file_time_type::clock::now() - std::chrono::hours(24 * max_age_days);
    for (const auto& entry : fs::directory_iterator(root_)) {
        std::error_code ignored;
        const auto name = entry.path().filename().string();
        const bool stale = name.starts_with(temporary_prefix);
        const bool unused = fs::exists(entry.path() / recipe_file, ignored) &&
                            fs::last_write_time(entry.path() / recipe_file, ignored) < oldest;
        if (stale || unused)
            fs::remove_all(entry.path(), ignored);
    }
}

asio::awaitable<fs::path> image_cache::obtain(std::string kind, std::string recipe, builder build) {
    const auto key = cache_key(kind, recipe);
    auto folder = root_ / key;
    if (fs::exists(folder / recipe_file) && !refresh_) {
        fs::last_write_time(folder / recipe_file, fs::file_time_type::clock::now()); // used today
        co_return folder;
    }
    const auto temporary = root_ / (temporary_prefix + key);
    std::exception_ptr problem;
    try {
        fs::remove_all(temporary);
        fs::create_directories(temporary);
        co_await build(temporary);
        write_file(temporary / recipe_file, recipe);
        fs::remove_all(folder);
        fs::rename(temporary, folder);
    } catch (const fs::filesystem_error& error) {
        problem = std::make_exception_ptr(failure(exit_environment, error.what()));
    } catch (...) {
        problem = std::current_exception();
    }
    if (problem) {
        std::error_code ignored;
        fs::remove_all(temporary, ignored);
        std::rethrow_exception(problem);
    }
    co_return folder;
}

} // namespace xvsock::testbed
