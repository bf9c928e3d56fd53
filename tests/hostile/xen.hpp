// SPDX-License-Identifier: MIT
// What this domain's userspace can do with Xen: grant pages, map those of others, use event channels, and
// xenstore. Each object gives back what it holds. Errors are std::system_error.
#pragma once

#include "protocol.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

struct xenevtchn_handle;
struct xs_handle;

namespace xvsock::hostile {

using namespace std::chrono_literals;
using milliseconds = std::chrono::milliseconds;

enum class access { read_only, read_write };

// Zeroed pages of ours that another domain may map.
class granted_pages {
public:
    granted_pages(domid to, std::size_t count, access how = access::read_write);
    granted_pages(granted_pages&& other) noexcept;
    granted_pages& operator=(granted_pages&& other) noexcept;
    granted_pages(const granted_pages&) = delete;
    granted_pages& operator=(const granted_pages&) = delete;
    ~granted_pages() { revoke(); }

    // Ends the grants, as far as Xen lets us: what is mapped stays so until the other side lets go.
    void revoke();

    [[nodiscard]] std::uint8_t* data() const { return data_; }
    [[nodiscard]] std::size_t size() const { return refs_.size() * page_size; }
    [[nodiscard]] const std::vector<grant_ref>& refs() const { return refs_; }

private:
    std::uint8_t* data_ = nullptr;
    std::vector<grant_ref> refs_;
};

// Pages of another domain, mapped here, contiguous.
class mapped_pages {
public:
    mapped_pages(domid from, std::span<const grant_ref> refs, access how = access::read_write);
    mapped_pages(mapped_pages&& other) noexcept;
    mapped_pages& operator=(mapped_pages&& other) noexcept;
    mapped_pages(const mapped_pages&) = delete;
    mapped_pages& operator=(const mapped_pages&) = delete;
    ~mapped_pages() { unmap(); }

    void unmap();

    [[nodiscard]] std::uint8_t* data() const { return data_; }

private:
    std::uint8_t* data_ = nullptr;
    std::uint32_t count_ = 0;
};

// One end of an event channel.
class event_port {
public:
    static event_port unbound(domid peer);                      // which `peer` may bind to
    static event_port bound(domid peer, event_number its_port); // to a port that `peer` keeps for us
    event_port(event_port&&) noexcept = default;
    event_port& operator=(event_port&&) noexcept = default;

    [[nodiscard]] event_number number() const { return number_; }
    void notify() const;
    // Whether an event has come; forgets it. Waits for one.
    bool wait(milliseconds limit) const;

private:
    struct closer {
        void operator()(xenevtchn_handle* handle) const;
    };

    event_port();

    std::unique_ptr<xenevtchn_handle, closer> handle_;
    event_number number_ = 0;
};

class store {
public:
    store();

    [[nodiscard]] std::optional<std::string> read(const std::string& path) const;
    [[nodiscard]] unsigned read_number(const std::string& path, unsigned otherwise) const;
    // False when xenstored refuses, with its errno.
    bool write(const std::string& path, const std::string& value) const;
    bool remove(const std::string& path) const;
    // Waits until the node's value is one of these, and says which; nothing when the time is over.
    std::optional<std::string> wait_for(const std::string& path, std::span<const std::string> values,
                                        milliseconds limit) const;

private:
    struct closer {
        void operator()(xs_handle* handle) const;
    };

    std::unique_ptr<xs_handle, closer> handle_;
};

} // namespace xvsock::hostile
