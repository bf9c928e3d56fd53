// SPDX-License-Identifier: MIT
/// From names of domains to endpoints and back, in the shape of ip::tcp::resolver.
#pragma once

#include "xvsock/stream_protocol.hpp"
#include "xvsock/xenstore/client.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace xvsock {

/// One answer.
class resolver_entry {
public:
    using endpoint_type = stream_protocol::endpoint;

    resolver_entry() = default;
    resolver_entry(const endpoint_type& endpoint, std::string host, std::string service)
        : endpoint_(endpoint), host_name_(std::move(host)), service_name_(std::move(service)) {}

    endpoint_type endpoint() const { return endpoint_; }
    operator endpoint_type() const { return endpoint_; } // as Asio's, for connect() and ranges of endpoints
    const std::string& host_name() const { return host_name_; }
    const std::string& service_name() const { return service_name_; }

    bool operator==(const resolver_entry&) const = default;

private:
    endpoint_type endpoint_;
    std::string host_name_;
    std::string service_name_;
};

/// What xenstore says of a domain that this one may talk to.
struct known_peer {
    std::string name; ///< as dom0 has written it with the link
    cid_type cid = 0;

    bool operator==(const known_peer&) const = default;
};

/// A peer, with what this domain's half of the link says.
struct known_link {
    known_peer peer;
    std::uint16_t domid = 0; ///< the peer's
    bool plain = false;      ///< the peer has libxenvchan and not the module
    std::string state;       ///< of this half, as xenstore::state_word() reads it
    // What dom0 restricts; without a value, or empty, where it does not.
    std::optional<std::uint64_t> max_connections;
    std::optional<std::uint64_t> max_memory; ///< in bytes
    // The same for all peers of this domain together.
    std::optional<std::uint64_t> domain_max_connections;
    std::optional<std::uint64_t> domain_max_memory;
    std::string accept; ///< the ports of this domain that the peer may connect to
};

/// The links of this domain, ordered by CID. Blocks; throws std::system_error.
std::vector<known_link> list_links(const xenstore::view& nodes);

/// The peers that this domain is linked to, by xenstore. Blocks; throws std::system_error.
std::vector<known_peer> list_peers(const xenstore::view& nodes);

namespace detail {

/// What is asked, as far as it can be understood without xenstore.
class question {
public:
    question(std::string_view host, std::string_view service);
    explicit question(std::string_view host_and_service);
    explicit question(const stream_protocol::endpoint& endpoint); ///< for its name

    bool needs_xenstore() const noexcept { return reverse_ || (!error_ && !cid_); }
    /// Throws boost::system::system_error.
    std::vector<resolver_entry> answer(const std::vector<known_peer>& peers) const;

private:
    void read(std::string_view host, std::string_view service);

    std::string host_;
    std::string service_;
    std::optional<cid_type> cid_;
    port_type port_ = any_port;
    boost::system::error_code error_;
    bool reverse_ = false;
};

} // namespace detail

/// A host is
/// - a number, a CID, that of dom0's choice or the domid plus 2;
/// - "any" or "*", any_cid, and so is an empty one;
/// - "dom0", "host" and "Domain-0", CID 2; "local", CID 1;
/// - the name of a domain that dom0 has linked with this one;
/// - "name:NAME" for a name that is none of these otherwise.
///
/// A service is a number, a port, or "any", any_port. Both as one text are "HOST:SERVICE", divided at the
/// last colon.
///
/// Errors are host_not_found for a name that no peer has, host_not_found_try_again when several have it,
/// service_not_found for what is no port, and xenstored's errno when it cannot be asked.
///
/// Names are read from xenstore at each call. Not for several threads at once; distinct resolvers may be.
class resolver {
public:
    using executor_type = boost::asio::any_io_executor;
    using protocol_type = stream_protocol;
    using endpoint_type = stream_protocol::endpoint;
    using results_type = std::vector<resolver_entry>;

    explicit resolver(executor_type executor) : store_(std::move(executor)) {}

    template <typename Context>
    requires std::is_convertible_v<Context&, boost::asio::execution_context&>
    explicit resolver(Context& context) : resolver(context.get_executor()) {}

    executor_type get_executor() const noexcept { return store_.get_executor(); }

    /// Cancels what is outstanding.
    void cancel() { store_.cancel(); }

    /// Blocks until xenstored answers, for names; others need no xenstored. Throws
    /// boost::system::system_error.
    static results_type resolve(std::string_view host, std::string_view service);
    static results_type resolve(std::string_view host, std::string_view service,
                                boost::system::error_code& error);
    static results_type resolve(std::string_view host_and_service);
    static results_type resolve(std::string_view host_and_service, boost::system::error_code& error);

    /// The peer's name; its CID in digits when it has none. Blocks until xenstored answers.
    static results_type resolve(const endpoint_type& endpoint);
    static results_type resolve(const endpoint_type& endpoint, boost::system::error_code& error);

    /// Signature: void(error_code, results_type).
    template <typename Token>
    auto async_resolve(std::string_view host, std::string_view service, Token&& token) {
        return ask(detail::question(host, service), std::forward<Token>(token));
    }

    template <typename Token> auto async_resolve(std::string_view host_and_service, Token&& token) {
        return ask(detail::question(host_and_service), std::forward<Token>(token));
    }

    template <typename Token> auto async_resolve(const endpoint_type& endpoint, Token&& token) {
        return ask(detail::question(endpoint), std::forward<Token>(token));
    }

private:
    template <typename Token> auto ask(detail::question question, Token&& token) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, results_type)>(
            [this](auto handler, detail::question question) {
                if (question.needs_xenstore()) {
                    store_.async_run(
                        [question = std::move(question)](const xenstore::view& nodes) {
                            return question.answer(list_peers(nodes));
                        },
                        std::move(handler));
                    return;
                }
                const auto executor = boost::asio::get_associated_executor(handler, get_executor());
                boost::asio::post(executor,
                                  [handler = std::move(handler), question = std::move(question)]() mutable {
                                      boost::system::error_code error;
                                      results_type results;
                                      try {
                                          results = question.answer({});
                                      } catch (const boost::system::system_error& failure) {
                                          error = failure.code();
                                      }
                                      std::move(handler)(error, std::move(results));
                                  });
            },
            token, std::move(question));
    }

    xenstore::client store_;
};

} // namespace xvsock
