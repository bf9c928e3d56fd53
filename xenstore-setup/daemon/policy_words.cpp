// SPDX-License-Identifier: MIT
#include "policy_words.hpp"

#include <stdexcept>

namespace xvsock::peer {

namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

/// Takes the quoted word that begins at `at`, and leaves `at` behind it.
word take_quoted(std::string_view line, std::size_t& at) {
    word taken{.text = "", .quoted = true};
    for (++at; at < line.size(); ++at) {
        if (line[at] == '"') {
            ++at;
            if (taken.text.empty())
                throw std::runtime_error("the name between the quotes is empty");
            if (at < line.size() && !is_blank(line[at]) && line[at] != ',')
                throw std::runtime_error("a blank is missing after the closing quote");
            return taken;
        }
        if (line[at] == '\\' && ++at < line.size() && line[at] != '"' && line[at] != '\\')
            throw std::runtime_error("between quotes a \\ stands before \" or \\ only: write \\\\ for it");
        if (at < line.size())
            taken.text += line[at];
    }
    throw std::runtime_error("the closing quote is missing");
}

word take_plain(std::string_view line, std::size_t& at) {
    word taken;
    for (; at < line.size() && !is_blank(line[at]); ++at) {
        if (line[at] == '"')
            throw std::runtime_error(
                "a quote inside of a word: the whole name is quoted, with blanks around it");
        taken.text += line[at];
    }
    return taken;
}

} // namespace

std::vector<word> split_words(std::string_view line) {
    std::vector<word> words;
    for (std::size_t at = 0; at < line.size();) {
        if (is_blank(line[at])) {
            ++at;
            continue;
        }
        if (line[at] == '#')
            break;
        words.push_back(line[at] == '"' ? take_quoted(line, at) : take_plain(line, at));
    }
    for (const word& one : words)
        for (const char c : one.text)
            if (static_cast<unsigned char>(c) < ' ')
                throw std::runtime_error("there is a control character in it");
    return words;
}

} // namespace xvsock::peer
