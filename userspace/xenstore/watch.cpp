// SPDX-License-Identifier: MIT
#include "xvsock/xenstore/watch.hpp"

#include "connection.hpp"

namespace xvsock::xenstore {

watch::watch(client& owner, std::string path)
    : executor_(owner.executor_), path_(std::move(path)), connection_(owner.connection_),
      state_(connection_->add_watch(path_)) {}

watch::~watch() {
    if (connection_)
        connection_->remove_watch(state_);
}

watch::watch(watch&&) noexcept = default;

watch& watch::operator=(watch&& other) noexcept {
    if (this != &other) {
        if (connection_)
            connection_->remove_watch(state_);
        executor_ = std::move(other.executor_);
        path_ = std::move(other.path_);
        connection_ = std::move(other.connection_);
        state_ = std::move(other.state_);
    }
    return *this;
}

void watch::cancel() {
    connection_->cancel_wait(*state_);
}

std::string watch::take_notice(detail::watch_state& state) {
    std::string path = std::move(state.notices.front());
    state.notices.pop_front();
    return path;
}

void watch::prepare(detail::operation& job) {
    job.after_cancel = [weak = std::weak_ptr(connection_)] {
        if (const auto connection = weak.lock())
            connection->stop_listening_if_idle();
    };
}

void watch::wait(std::shared_ptr<detail::operation> job) {
    connection_->wait(*state_, std::move(job));
}

} // namespace xvsock::xenstore
