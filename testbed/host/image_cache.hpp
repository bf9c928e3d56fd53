// SPDX-License-Identifier: MIT
// The cache of images: one folder per entry, named by a hash of what is in it.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include <boost/asio/awaitable.hpp>

namespace xvsock::testbed {

/// The name of a cache entry: the kind, and a name-based UUID (version 5) of the recipe.
std::string cache_key(const std::string& kind, const std::string& recipe);

/// Entries appear complete or not at all: they are built in a temporary folder and renamed.
class image_cache {
public:
    /// Creates the folder, takes its lock (waits while another process builds images, saying so through
    /// `waiting`), removes what an interrupted build left, and entries not used for `max_age_days`.
    image_cache(std::filesystem::path root, const std::function<void(const std::string&)>& waiting);
    image_cache(const image_cache&) = delete;
    image_cache& operator=(const image_cache&) = delete;
    ~image_cache();

    using builder = std::function<boost::asio::awaitable<void>(std::filesystem::path)>;

    /// The entry's folder; made with `build` when it is not there yet or `refresh` is set.
    boost::asio::awaitable<std::filesystem::path> obtain(std::string kind, std::string recipe, builder build);

    /// Rebuild entries even when they exist.
    void set_refresh(bool refresh) { refresh_ = refresh; }
    [[nodiscard]] const std::filesystem::path& root() const { return root_; }

    static constexpr int max_age_days = 14;

private:
    void clean() const;

    std::filesystem::path root_;
    int lock_ = -1;
    bool refresh_ = false;
};

} // namespace xvsock::testbed
