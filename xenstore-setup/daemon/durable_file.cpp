// SPDX-License-Identifier: MIT
#include "durable_file.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace xvsock::peer {

namespace {

[[noreturn]] void fail(const std::string& operation) {
    throw std::system_error(errno, std::generic_category(), operation);
}

class descriptor {
public:
    explicit descriptor(int number) : number_(number) {}
    ~descriptor() {
        if (number_ >= 0)
            ::close(number_);
    }
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;

    bool is_open() const { return number_ >= 0; }
    int number() const { return number_; }
    /// Some file systems say here only that the disk is full.
    bool close() { return ::close(std::exchange(number_, -1)) == 0; }

private:
    int number_;
};

bool write_all(int file, std::string_view content) {
    while (!content.empty()) {
        const ssize_t written = ::write(file, content.data(), content.size());
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        content.remove_prefix(std::size_t(written));
    }
    return true;
}

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

} // namespace

std::optional<std::string> read_file(const std::string& path) {
    const descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.is_open()) {
        if (errno == ENOENT)
            return std::nullopt;
        fail("open " + path);
    }
    std::string content;
    for (char part[4096];;) {
        const ssize_t length = ::read(file.number(), part, sizeof part);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            fail("read " + path);
        if (length == 0)
            return content;
        content.append(part, std::size_t(length));
    }
}

void replace_file(const std::string& path, std::string_view content, durability against) {
    const std::string fresh = path + ".new";
    try {
        descriptor file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
        if (!file.is_open())
            fail("create " + fresh);
        if (!write_all(file.number(), content))
            fail("write " + fresh);
        if (against == durability::machine && ::fsync(file.number()) != 0)
            fail("write " + fresh);
        if (!file.close())
            fail("write " + fresh);
        if (::rename(fresh.c_str(), path.c_str()) != 0)
            fail("rename " + fresh);
    } catch (const std::system_error&) {
        ::unlink(fresh.c_str()); // room for the next attempt
        throw;
    }
    if (against == durability::program)
        return;
    const descriptor folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.is_open() || ::fsync(folder.number()) != 0)
        fail("write " + folder_of(path));
}

} // namespace xvsock::peer
