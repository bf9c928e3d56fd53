// SPDX-License-Identifier: MIT
/// SHA-256 of what comes piece by piece.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

struct evp_md_ctx_st;

namespace xvsock::transfer {

using digest = std::array<unsigned char, 32>;

class checksum {
public:
    /// Throws std::runtime_error if libcrypto fails, as all members do.
    checksum();

    void update(const void* data, std::size_t size);
    /// Of all until now; more may follow.
    digest value() const;

private:
    struct deleter {
        void operator()(evp_md_ctx_st* context) const;
    };
    std::unique_ptr<evp_md_ctx_st, deleter> context_;
};

/// In hexadecimal digits, as sha256sum(1) writes it.
std::string to_string(const digest& sum);

/// Adds the first `size` bytes of a file to `sum`, and calls `alive` about once a second meanwhile. Blocks.
/// Returns false when the file is shorter. Throws std::system_error.
bool add_file(checksum& sum, int file, std::uint64_t size, const std::function<void()>& alive);

} // namespace xvsock::transfer
