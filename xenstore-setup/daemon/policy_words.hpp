// SPDX-License-Identifier: MIT
/// The words of a line of the policy file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace xvsock::peer {

struct word {
    std::string text;
    bool quoted = false; ///< then it is a name, whatever it looks like

    bool is(std::string_view keyword) const { return !quoted && text == keyword; }
};

/// Splits a line at blanks, up to a word that begins with '#'. A word in double quotes may have blanks in it;
/// there \" and \\ stand for " and \. Throws std::runtime_error.
std::vector<word> split_words(std::string_view line);

} // namespace xvsock::peer
