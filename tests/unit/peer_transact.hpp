// SPDX-License-Identifier: MIT
/// A transaction in a test, from start to end.
#pragma once

#include <xvsock/xenstore/client.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

namespace xvsock::xenstore {

template <typename Body> auto transact(Body body) {
    boost::asio::io_context context;
    client store(context.get_executor());
    auto done = store.async_transact(std::move(body), boost::asio::use_future);
    context.run();
    return done.get();
}

} // namespace xvsock::xenstore
