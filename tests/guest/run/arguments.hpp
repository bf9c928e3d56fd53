// SPDX-License-Identifier: MIT
// What the tests execute: this program, with words.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

namespace xvsock::guest {

inline constexpr const char* self = "/proc/self/exe";

using strings = char* const*;

/// Arguments or variables of what is executed.
class words {
public:
    words(std::initializer_list<std::string> all) : texts_(all) {
        for (auto& one : texts_)
            pointers_.push_back(one.data());
        pointers_.push_back(nullptr);
    }
    [[nodiscard]] strings get() const { return pointers_.data(); }

private:
    std::vector<std::string> texts_;
    std::vector<char*> pointers_;
};

} // namespace xvsock::guest
