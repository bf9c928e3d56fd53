// SPDX-License-Identifier: MIT
#include "log.hpp"

#include <cstdlib>

#include <sys/stat.h>
#include <unistd.h>

namespace xvsock::peer {

namespace {

/// As systemd says in the environment: the device and inode of the journal's stream.
bool goes_to_journal() {
    const char* const stream = std::getenv("JOURNAL_STREAM");
    struct stat about {};
    return stream && fstat(STDERR_FILENO, &about) == 0 &&
           fmt::format("{}:{}", about.st_dev, about.st_ino) == stream;
}

} // namespace

std::string quote(std::string_view value) {
    std::string text;
    bool plain = !value.empty();
    for (const char c : value) {
        if (c == '"' || c == '\\')
            text += '\\';
        plain = plain && c != ' ' && c != '"' && c != '\\' && c != '=';
        text += static_cast<unsigned char>(c) < ' ' || c == 0x7f ? '?' : c;
    }
    return plain ? text : '"' + text + '"';
}

void write_line(level how, const std::string& line) {
    static const bool journal = goes_to_journal();
    constexpr int priorities[] = {6, 4, 3};
    const std::string text = journal ? fmt::format("<{}>{}\n", priorities[unsigned(how)], line)
                                     : fmt::format("xvsockd: {}\n", line);
    // At once and whole: what is said last before an end must not be lost, and nobody can be told that it is.
    [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
}

} // namespace xvsock::peer
