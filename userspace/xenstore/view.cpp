// SPDX-License-Identifier: MIT
#include "xvsock/xenstore/view.hpp"

#include "connection.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fmt/format.h>

namespace xvsock::xenstore {

namespace {

/// What libxenstore returns is malloced.
template <typename Type> using malloced = std::unique_ptr<Type, decltype(&std::free)>;

template <typename Type> malloced<Type> own(Type* pointer) {
    return {pointer, &std::free};
}

constexpr std::array state_words{"Unknown", "Initialising", "InitWait",      "Initialised", "Connected",
                                 "Closing", "Closed",       "Reconfiguring", "Reconfigured"};

[[noreturn]] void fail(const std::string& operation, int error) {
    throw std::system_error(error, std::generic_category(), operation);
}

} // namespace

static_assert(unsigned(access::read) == XS_PERM_READ && unsigned(access::write) == XS_PERM_WRITE &&
              unsigned(access::none) == XS_PERM_NONE);

permissions owned_by(domid owner, std::initializer_list<domid> readers) {
    permissions list{{owner, access::none}};
    for (const domid reader : readers)
        if (reader != owner)
            list.push_back({reader, access::read});
    return list;
}

std::string state_word(const std::string& value) {
    std::size_t number = state_words.size();
    const char* const text_end = value.data() + value.size();
    const auto [end, error] = std::from_chars(value.data(), text_end, number);
    const bool known = error == std::errc{} && end == text_end && number < state_words.size();
    return known ? state_words[number] : fmt::format("unknown ({})", value);
}

std::string to_string(const permissions& list) {
    std::string text;
    for (const permission& one : list)
        text += fmt::format("{}{}{}", text.empty() ? "" : " ", "nrwb"[unsigned(one.granted) & 3], one.domain);
    return text;
}

std::optional<std::string> view::read(const std::string& path) const {
    const std::string operation = "read " + path;
    unsigned length = 0;
    const auto value = own(owner_.call(operation, [&](xs_handle* handle) {
        return static_cast<char*>(xs_read(handle, transaction_, path.c_str(), &length));
    }));
    if (value)
        return std::string(value.get(), length);
    if (errno == ENOENT)
        return std::nullopt;
    fail(operation, errno);
}

void view::write(const std::string& path, const std::string& value) const {
    const std::string operation = "write " + path;
    if (!owner_.call(operation, [&](xs_handle* handle) {
            return xs_write(handle, transaction_, path.c_str(), value.data(), unsigned(value.size()));
        }))
        fail(operation, errno);
}

void view::make(const std::string& path) const {
    const std::string operation = "create " + path;
    if (!owner_.call(operation,
                     [&](xs_handle* handle) { return xs_mkdir(handle, transaction_, path.c_str()); }))
        fail(operation, errno);
}

std::optional<std::vector<std::string>> view::list(const std::string& path) const {
    const std::string operation = "list " + path;
    unsigned count = 0;
    const auto names = own(owner_.call(operation, [&](xs_handle* handle) {
        return xs_directory(handle, transaction_, path.c_str(), &count);
    }));
    if (names)
        return std::vector<std::string>(names.get(), names.get() + count);
    if (errno == ENOENT)
        return std::nullopt;
    fail(operation, errno);
}

bool view::remove(const std::string& path) const {
    // xenstored answers success for a missing node whose parent exists, so ask first.
    if (!exists(path))
        return false;
    const std::string operation = "remove " + path;
    if (!owner_.call(operation, [&](xs_handle* handle) { return xs_rm(handle, transaction_, path.c_str()); }))
        fail(operation, errno);
    return true;
}

std::optional<permissions> view::get_permissions(const std::string& path) const {
    const std::string operation = "read the permissions of " + path;
    unsigned count = 0;
    const auto entries = own(owner_.call(operation, [&](xs_handle* handle) {
        return xs_get_permissions(handle, transaction_, path.c_str(), &count);
    }));
    if (!entries) {
        if (errno == ENOENT)
            return std::nullopt;
        fail(operation, errno);
    }
    permissions list;
    for (unsigned i = 0; i < count; ++i)
        // Above both bits libxenstore has flags of its own, which no rule here depends on.
        list.push_back({domid(entries.get()[i].id), access(unsigned(entries.get()[i].perms) & 3)});
    return list;
}

void view::set_permissions(const std::string& path, const permissions& list) const {
    const std::string operation = "set the permissions of " + path;
    std::vector<xs_permissions> entries;
    for (const permission& one : list)
        entries.push_back({.id = one.domain, .perms = unsigned(one.granted)});
    if (!owner_.call(operation, [&](xs_handle* handle) {
            return xs_set_permissions(handle, transaction_, path.c_str(), entries.data(),
                                      unsigned(entries.size()));
        }))
        fail(operation, errno);
}

bool view::is_introduced(domid domain) const {
    const std::string operation = fmt::format("look for domain {}", domain);
    // "No" and "I could not ask" are the same to libxenstore; only the latter sets errno.
    errno = 0;
    const bool is_there =
        owner_.call(operation, [&](xs_handle* handle) { return xs_is_domain_introduced(handle, domain); });
    if (!is_there && errno != 0)
        fail(operation, errno);
    return is_there;
}

} // namespace xvsock::xenstore
