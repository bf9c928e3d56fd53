// SPDX-License-Identifier: MIT
#include "transfer/receiver.hpp"

#include "transfer/partial_file.hpp"
#include "transfer/progress.hpp"

#include <condition_variable>
#include <fmt/format.h>
#include <mutex>
#include <stop_token>
#include <system_error>
#include <thread>

namespace xvsock::transfer {

namespace {

/// The sender gives this file up: its own words.
class given_up : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

void require_kind(const message& got, message_kind wanted) {
    if (got.kind == message_kind::refuse)
        throw given_up(parse_text(got.body));
    if (got.kind != wanted)
        throw protocol_error(fmt::format("a message of kind {} where one of kind {} belongs",
                                         unsigned(got.kind), unsigned(wanted)));
}

/// Tells the sender once a second. Nothing else may be sent meanwhile.
class still_at_work {
public:
    explicit still_at_work(channel& peer)
        : thread_([&peer](const std::stop_token& ended) { tell(peer, ended); }) {}

private:
    static void tell(channel& peer, const std::stop_token& ended) {
        std::mutex mutex;
        std::condition_variable_any wake;
        std::unique_lock lock(mutex);
        const auto never = [] { return false; };
        try {
            while (!ended.stop_requested()) {
                wake.wait_for(lock, ended, std::chrono::seconds(1), never);
                if (!ended.stop_requested())
                    peer.send(message_kind::waiting);
            }
        } catch (const std::runtime_error&) { // it has gone, which is seen when it is to have its answer
        }
    }

    std::jthread thread_;
};

std::string what_is_kept(const partial_file& file, const std::string& name) {
    return file.size() == 0 ? std::string("nothing is kept")
                            : fmt::format("{} bytes are kept in {}.part", file.size(), name);
}

} // namespace

bool receiver::run() {
    bool any = false, all = true;
    for (;;) {
        const auto got = peer_.receive();
        if (!got)
            return any && all;
        any = true;
        outcome result;
        std::string refusal, ending; // what the sender is to hear
        bool ends = false;
        try {
            require_kind(*got, message_kind::offer);
            receive_file(parse_offer(got->body), result);
        } catch (const refused& error) {
            result.problem = refusal = error.what();
        } catch (const given_up& error) {
            result.problem = fmt::format("the sender gives it up: {}", error.what());
        } catch (const connection_lost& error) {
            result.problem = error.what();
            ends = true;
        } catch (const peer_failed& error) {
            result.problem = fmt::format("the sender fails: {}", error.what());
            ends = true;
        } catch (const std::exception& error) { // a rule that is broken, or a disk that is full
            result.problem = ending = error.what();
        }
        all = all && result.problem.empty();
        tell_(result);
        if (!ending.empty())
            peer_.fail(ending);
        if (ends || !ending.empty())
            return false;
        // A sender that has gone is seen when its next message is wanted.
        if (!refusal.empty())
            peer_.send(message_kind::refuse, make_text(refusal));
        else if (result.problem.empty())
            peer_.send(message_kind::done, make_digest(result.sum));
    }
}

void receiver::receive_file(const offer_body& offer, outcome& result) {
    result.name = printable(offer.name);
    result.size = offer.size;
    if (const auto objection = objection_to_name(offer.name); !objection.empty())
        throw refused(fmt::format("its name: {}", objection));
    partial_file file(options_.folder, offer.name, offer.size, options_.may_replace);
    try {
        checksum sum;
        const auto alive = [&] { peer_.send(message_kind::waiting); };
        if (!add_file(sum, file.fd(), file.size(), alive))
            throw refused(fmt::format("{}.part changes", offer.name));
        peer_.send(message_kind::have, make_have({.size = file.size(), .sum = sum.value()}));

        const auto start = peer_.expect();
        require_kind(start, message_kind::start);
        result.resumed = parse_start(start.body);
        if (result.resumed == 0) {
            file.clear();
            sum = checksum();
        } else if (result.resumed != file.size() || result.resumed > offer.size) {
            throw protocol_error(
                fmt::format("a start at byte {}, with {} bytes here", result.resumed, file.size()));
        }
        receive_data(file, sum, result);
        const still_at_work said(peer_); // a slow disk takes its time
        file.commit(offer.mode);
    } catch (const given_up& error) {
        throw given_up(fmt::format("{}; {}", error.what(), what_is_kept(file, result.name)));
    } catch (const connection_lost& error) {
        throw connection_lost(fmt::format("{} after {} of {} bytes; {}", error.what(), file.size(),
                                          result.size, what_is_kept(file, result.name)));
    } catch (const peer_failed& error) {
        throw peer_failed(fmt::format("{}; {}", error.what(), what_is_kept(file, result.name)));
    } catch (const std::system_error& error) {
        throw std::runtime_error(fmt::format("{}; {}", error.what(), what_is_kept(file, result.name)));
    }
}

void receiver::receive_data(partial_file& file, checksum& sum, outcome& result) {
    progress_bar bar(options_.progress, result.name, result.size, result.resumed);
    for (;;) {
        const auto got = peer_.expect();
        if (got.kind != message_kind::data) {
            require_kind(got, message_kind::end);
            if (file.size() != result.size)
                throw protocol_error(
                    fmt::format("the end of the file after {} of {} bytes", file.size(), result.size));
            result.sum = sum.value();
            if (parse_digest(got.body) != result.sum) {
                file.discard();
                throw refused("what has come is not what was sent: the checksums differ; nothing is kept");
            }
            result.seconds = bar.seconds();
            return;
        }
        if (got.body.size() > result.size - file.size())
            throw protocol_error(fmt::format("more than the {} bytes that the file has", result.size));
        file.write(got.body);
        sum.update(got.body.data(), got.body.size());
        bar.update(file.size());
    }
}

} // namespace xvsock::transfer
