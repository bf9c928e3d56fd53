// SPDX-License-Identifier: MIT
#include "transfer/sender.hpp"

#include "transfer/partial_file.hpp"
#include "transfer/progress.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace xvsock::transfer {

namespace {

/// Of this file the peer shall hear, too, that nothing more comes.
class unreadable : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct stat status_of(int file) {
    struct stat status {};
    if (::fstat(file, &status) != 0)
        throw unreadable(fmt::format("cannot read it: {}", std::strerror(errno)));
    return status;
}

bool is_same(const struct stat& before, const struct stat& after) {
    return before.st_size == after.st_size && before.st_mtim.tv_sec == after.st_mtim.tv_sec &&
           before.st_mtim.tv_nsec == after.st_mtim.tv_nsec;
}

std::size_t read_some(int file, unsigned char* data, std::size_t size, std::uint64_t at) {
    for (;;) {
        const ssize_t part = ::pread(file, data, size, off_t(at));
        if (part > 0)
            return std::size_t(part);
        if (part == 0)
            throw unreadable("it has become shorter while it was sent");
        if (errno != EINTR)
            throw unreadable(fmt::format("cannot read it: {}", std::strerror(errno)));
    }
}

[[noreturn]] void refuse_kind(message_kind kind) {
    throw protocol_error(fmt::format("a message of kind {} where none belongs", unsigned(kind)));
}

} // namespace

std::uint64_t resume_offset(const have_body& have, std::uint64_t size,
                            const std::function<std::optional<digest>(std::uint64_t)>& sum_of) {
    if (have.size == 0 || have.size > size)
        return 0;
    return sum_of(have.size) == have.sum ? have.size : 0;
}

outcome sender::send(const std::string& path) {
    outcome result;
    result.name = std::filesystem::path(path).filename().string();
    // Opening a fifo would wait for who writes into it.
    const descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.get() < 0) {
        result.problem = std::strerror(errno);
        return result;
    }
    try {
        send_open_file(file.get(), result);
    } catch (const refused& error) {
        result.problem = error.what();
    }
    return result;
}

void sender::send_open_file(int file, outcome& result) {
    struct stat before {};
    if (::fstat(file, &before) != 0 || !S_ISREG(before.st_mode))
        throw refused("it is no regular file");
    result.size = std::uint64_t(before.st_size);
    if (const auto objection = objection_to_name(result.name); !objection.empty())
        throw refused(fmt::format("it cannot have that name there: {}", objection));

    peer_.send(message_kind::offer,
               make_offer({.size = result.size, .mode = before.st_mode & 0777U, .name = result.name}));
    const auto answer = peer_.expect();
    if (answer.kind == message_kind::refuse)
        throw refused(fmt::format("refused: {}", parse_text(answer.body)));
    if (answer.kind != message_kind::have)
        refuse_kind(answer.kind);

    try {
        checksum sum;
        const auto alive = [&] { peer_.send(message_kind::waiting); };
        result.resumed = resume_offset(parse_have(answer.body), result.size,
                                       [&](std::uint64_t size) -> std::optional<digest> {
                                           if (!add_file(sum, file, size, alive))
                                               return std::nullopt;
                                           return sum.value();
                                       });
        if (result.resumed == 0)
            sum = checksum();
        peer_.send(message_kind::start, make_start(result.resumed));

        progress_bar bar(progress_, printable(result.name), result.size, result.resumed);
        for (std::uint64_t at = result.resumed; at < result.size;) {
            hear_objection();
            const std::size_t most = std::min<std::uint64_t>(buffer_.size(), result.size - at);
            const std::size_t part = read_some(file, buffer_.data(), most, at);
            sum.update(buffer_.data(), part);
            peer_.send(message_kind::data, byte_view(buffer_).first(part));
            at += part;
            bar.update(at);
        }
        if (!is_same(before, status_of(file)))
            throw unreadable("it has changed while it was sent");
        result.sum = sum.value();
        peer_.send(message_kind::end, make_digest(result.sum));
        result.seconds = bar.seconds();
    } catch (const unreadable& error) {
        peer_.send(message_kind::refuse, make_text(error.what()));
        throw refused(error.what());
    } catch (const std::system_error& error) {
        peer_.send(message_kind::refuse, make_text(error.what()));
        throw refused(error.what());
    } catch (const connection_lost&) {
        // Why it was broken may be what came last.
        while (peer_.has_input())
            if (!peer_.receive())
                break;
        throw;
    }

    const auto end = peer_.expect();
    if (end.kind == message_kind::refuse)
        throw refused(fmt::format("not stored: {}", parse_text(end.body)));
    if (end.kind != message_kind::done)
        refuse_kind(end.kind);
    if (parse_digest(end.body) != result.sum)
        throw protocol_error("the receiver has stored something else");
}

/// While data goes out nothing comes in but a failure, which receive() throws.
void sender::hear_objection() {
    if (peer_.has_input())
        refuse_kind(peer_.expect().kind);
}

} // namespace xvsock::transfer
