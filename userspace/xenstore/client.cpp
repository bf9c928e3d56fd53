// SPDX-License-Identifier: MIT
#include "xvsock/xenstore/client.hpp"

#include "connection.hpp"

namespace xvsock::xenstore {

client::client(executor_type executor)
    : executor_(std::move(executor)), connection_(detail::connection::of(executor_)) {}

client::~client() {
    if (connection_)
        connection_->close();
}

client::client(client&&) noexcept = default;

client& client::operator=(client&& other) noexcept {
    if (this != &other) {
        if (connection_)
            connection_->close();
        executor_ = std::move(other.executor_);
        connection_ = std::move(other.connection_);
    }
    return *this;
}

void client::cancel() {
    connection_->cancel();
}

void client::set_attempts(int most) {
    connection_->set_attempts(most);
}

std::string client::current_call() const {
    return connection_->current_call();
}

std::uint64_t client::calls() const {
    return connection_->calls();
}

void client::submit(bool transaction, std::shared_ptr<detail::operation> job) {
    connection_->submit(transaction, std::move(job));
}

} // namespace xvsock::xenstore
