// SPDX-License-Identifier: MIT
/// Folders of a test, for files that are sent and received.
#pragma once

#include "transfer/partial_file.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace xvsock::transfer {

class test_folder {
public:
    test_folder() {
        char name[] = "/tmp/xvsock-transfer-XXXXXX";
        path_ = ::mkdtemp(name);
        open_ = open_folder(path_.string());
    }
    test_folder(const test_folder&) = delete;
    test_folder& operator=(const test_folder&) = delete;
    ~test_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    int fd() const { return open_.get(); }
    std::string operator/(const std::string& name) const { return (path_ / name).string(); }
    bool has(const std::string& name) const { return std::filesystem::exists(path_ / name); }

    void put(const std::string& name, const std::string& text) const {
        std::ofstream(path_ / name, std::ios::binary) << text;
    }

    std::string get(const std::string& name) const {
        std::ifstream file(path_ / name, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    unsigned mode(const std::string& name) const {
        return unsigned(std::filesystem::status(path_ / name).permissions());
    }

private:
    std::filesystem::path path_;
    descriptor open_;
};

/// Bytes that do not repeat within a buffer.
inline std::string pattern(std::size_t size, unsigned seed = 1) {
    std::string text;
    text.reserve(size);
    for (std::size_t i = 0; i < size; ++i)
        text += char((i * 2654435761U + seed) >> 13U);
    return text;
}

} // namespace xvsock::transfer
