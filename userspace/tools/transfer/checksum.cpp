// SPDX-License-Identifier: MIT
#include "transfer/checksum.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <system_error>
#include <vector>

#include <openssl/evp.h>
#include <unistd.h>

namespace xvsock::transfer {

namespace {

void need(bool worked) {
    if (!worked)
        throw std::runtime_error("libcrypto cannot make a SHA-256 checksum");
}

} // namespace

void checksum::deleter::operator()(evp_md_ctx_st* context) const {
    EVP_MD_CTX_free(context);
}

checksum::checksum() : context_(EVP_MD_CTX_new()) {
    need(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

void checksum::update(const void* data, std::size_t size) {
    need(EVP_DigestUpdate(context_.get(), data, size) == 1);
}

digest checksum::value() const {
    const std::unique_ptr<evp_md_ctx_st, deleter> copy(EVP_MD_CTX_new());
    digest sum{};
    unsigned size = 0;
    need(copy && EVP_MD_CTX_copy_ex(copy.get(), context_.get()) == 1 &&
         EVP_DigestFinal_ex(copy.get(), sum.data(), &size) == 1 && size == sum.size());
    return sum;
}

std::string to_string(const digest& sum) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (const unsigned char byte : sum) {
        text += digits[byte >> 4U];
        text += digits[byte & 0xfU];
    }
    return text;
}

bool add_file(checksum& sum, int file, std::uint64_t size, const std::function<void()>& alive) {
    using clock = std::chrono::steady_clock;
    std::vector<char> buffer(std::size_t{256} * 1024);
    auto last = clock::now();
    for (std::uint64_t at = 0; at < size;) {
        const ssize_t part =
            ::pread(file, buffer.data(), std::min<std::uint64_t>(buffer.size(), size - at), off_t(at));
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            throw std::system_error(errno, std::system_category(), "cannot read");
        if (part == 0)
            return false;
        sum.update(buffer.data(), std::size_t(part));
        at += std::uint64_t(part);
        if (clock::now() - last >= std::chrono::seconds(1)) {
            last = clock::now();
            alive();
        }
    }
    return true;
}

} // namespace xvsock::transfer
