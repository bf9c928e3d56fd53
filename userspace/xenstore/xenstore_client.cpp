// SPDX-License-Identifier: MIT
#include "xenstore/xenstore_client.hpp"

#include <cerrno>
#include <cstdlib>
#include <fmt/format.h>
#include <thread>

namespace xvsock::xenstore {

namespace {

/// What libxenstore returns is malloced.
template <typename Type> using malloced = std::unique_ptr<Type, decltype(&std::free)>;

template <typename Type> malloced<Type> own(Type* pointer) {
    return {pointer, &std::free};
}

[[noreturn]] void fail(const std::string& operation, int error) {
    throw std::system_error(error, std::generic_category(), operation);
}

} // namespace

permissions owned_by(domid owner, std::initializer_list<domid> readers) {
    permissions list{{owner, access::none}};
    for (const domid reader : readers)
        if (reader != owner)
            list.push_back({reader, access::read});
    return list;
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
    const auto value = own(guard_.run(operation, [&] {
        return static_cast<char*>(xs_read(handle_, transaction_, path.c_str(), &length));
    }));
    if (value)
        return std::string(value.get(), length);
    if (errno == ENOENT)
        return std::nullopt;
    fail(operation, errno);
}

void view::write(const std::string& path, const std::string& value) const {
    const std::string operation = "write " + path;
    if (!guard_.run(operation, [&] {
            return xs_write(handle_, transaction_, path.c_str(), value.data(), unsigned(value.size()));
        }))
        fail(operation, errno);
}

void view::make(const std::string& path) const {
    const std::string operation = "create " + path;
    if (!guard_.run(operation, [&] { return xs_mkdir(handle_, transaction_, path.c_str()); }))
        fail(operation, errno);
}

std::optional<std::vector<std::string>> view::list(const std::string& path) const {
    const std::string operation = "list " + path;
    unsigned count = 0;
    const auto names =
        own(guard_.run(operation, [&] { return xs_directory(handle_, transaction_, path.c_str(), &count); }));
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
    if (!guard_.run(operation, [&] { return xs_rm(handle_, transaction_, path.c_str()); }))
        fail(operation, errno);
    return true;
}

std::optional<permissions> view::get_permissions(const std::string& path) const {
    const std::string operation = "read the permissions of " + path;
    unsigned count = 0;
    const auto entries = own(guard_.run(
        operation, [&] { return xs_get_permissions(handle_, transaction_, path.c_str(), &count); }));
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
    if (!guard_.run(operation, [&] {
            return xs_set_permissions(handle_, transaction_, path.c_str(), entries.data(),
                                      unsigned(entries.size()));
        }))
        fail(operation, errno);
}

client::client(const client_options& options) : guard_(options.timeout, options.on_timeout) {
    errno = 0;
    handle_.reset(guard_.run("connect to xenstored", [] { return xs_open(0); }));
    if (!handle_)
        fail("connect to xenstored", errno ? errno : ENOENT);
}

/// Returns false when somebody else changed what the body touched.
bool client::try_transaction(const std::function<void(const view&)>& body) {
    const xs_transaction_t transaction =
        guard_.run("start a transaction", [&] { return xs_transaction_start(handle_.get()); });
    if (transaction == XBT_NULL)
        fail("start a transaction", errno);
    struct inside : view {
        inside(xs_handle* handle, xs_transaction_t transaction, call_guard& guard)
            : view(handle, transaction, guard) {}
    };
    try {
        body(inside(handle_.get(), transaction, guard_));
    } catch (...) {
        guard_.run("abandon the transaction",
                   [&] { return xs_transaction_end(handle_.get(), transaction, true); });
        throw;
    }
    if (guard_.run(commit_operation, [&] { return xs_transaction_end(handle_.get(), transaction, false); }))
        return true;
    if (errno == EAGAIN)
        return false;
    fail(commit_operation, errno);
}

void client::transact(const std::function<void(const view&)>& body) {
    constexpr int max_attempts = 50;
    for (int attempt = 1; attempt <= max_attempts; ++attempt) {
        if (try_transaction(body))
            return;
        // Others are busy with the same nodes, as while domains start: give way ever longer, up to 3 s in
        // all.
        std::this_thread::sleep_for(std::chrono::microseconds(2400) * attempt);
    }
    fail(fmt::format("{}, {} times", commit_operation, max_attempts), EAGAIN);
}

} // namespace xvsock::xenstore
