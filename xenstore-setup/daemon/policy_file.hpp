// SPDX-License-Identifier: MIT
/// The policy file: xvsockd.policy(5).
#pragma once

#include "policy.hpp"

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace xvsock::peer {

/// CIDs that may be given: above those with a meaning of their own, below VMADDR_CID_ANY.
inline constexpr std::uint32_t first_cid = 3, last_cid = 0xfffffffe;

/// What is wrong with a file, "FILE:LINE: what, and what would be right" each.
class policy_error : public std::runtime_error {
public:
    explicit policy_error(std::vector<std::string> problems);

    const std::vector<std::string>& problems() const { return problems_; }

private:
    std::vector<std::string> problems_;
};

/// Reads a policy; `file` is for the messages. Throws policy_error with all that is wrong.
policy parse_policy(std::string_view text, const std::string& file);

/// Throws policy_error when the file cannot be read.
std::string read_policy_text(const std::string& file);

/// Both.
policy read_policy(const std::string& file);

} // namespace xvsock::peer
