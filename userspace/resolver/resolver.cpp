// SPDX-License-Identifier: MIT
#include "xvsock/resolver.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>
#include <charconv>

namespace xvsock {

namespace {

namespace error = boost::asio::error;

template <typename Number = std::uint32_t> std::optional<Number> parse_number(std::string_view text) {
    Number number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || failure != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return number;
}

std::optional<cid_type> fixed_cid(std::string_view host) {
    if (host.empty() || host == "any" || host == "*")
        return any_cid;
    if (host == "dom0" || host == "host" || host == "Domain-0")
        return dom0_cid;
    if (host == "local")
        return local_cid;
    return parse_number(host);
}

/// As the module judges what dom0 has written: dom0's CID is nobody else's, and the reserved ones are no
/// domain's.
bool may_be_cid_of(std::uint32_t domid, cid_type cid) {
    return domid == 0 ? cid == dom0_cid : cid > dom0_cid && cid < any_cid;
}

std::optional<std::uint64_t> read_limit(const xenstore::view& nodes, const std::string& path) {
    const auto text = nodes.read(path);
    if (!text)
        return std::nullopt;
    return parse_number<std::uint64_t>(*text).value_or(0); // as the module takes what is no number
}

/// A domain's CID is what dom0 has given it, or its domid plus 2.
std::optional<known_link> read_link(const xenstore::view& nodes, const std::string& half, const char* id_key,
                                    bool plain) {
    const auto read = [&](const char* key) { return nodes.read(half + "/" + key); };
    const auto domid = parse_number(read(id_key).value_or(""));
    if (!domid || *domid >= 0x7ff0) // DOMID_FIRST_RESERVED
        return std::nullopt;
    const auto cid = parse_number(read("peer-cid").value_or(std::to_string(*domid + 2)));
    if (!cid || !may_be_cid_of(*domid, *cid))
        return std::nullopt; // nor does the module take it for a link
    return known_link{.peer = {.name = read("peer-name").value_or(""), .cid = *cid},
                      .domid = static_cast<std::uint16_t>(*domid),
                      .plain = plain,
                      .state = read("state").value_or(""),
                      .max_connections = read_limit(nodes, half + "/max-connections"),
                      .max_memory = read_limit(nodes, half + "/max-memory"),
                      .domain_max_connections = read_limit(nodes, half + "/domain-max-connections"),
                      .domain_max_memory = read_limit(nodes, half + "/domain-max-memory"),
                      .accept = read("accept").value_or("")};
}

std::vector<std::string> children(const xenstore::view& nodes, const std::string& path) {
    return nodes.list(path).value_or(std::vector<std::string>{});
}

resolver::results_type resolve_now(const detail::question& question) {
    if (!question.needs_xenstore())
        return question.answer({});
    boost::asio::io_context context;
    xenstore::client store(context.get_executor());
    boost::system::error_code failure;
    std::vector<known_peer> peers;
    store.async_run([](const xenstore::view& nodes) { return list_peers(nodes); },
                    [&](boost::system::error_code code, std::vector<known_peer> found) {
                        failure = code;
                        peers = std::move(found);
                    });
    context.run();
    if (failure)
        throw boost::system::system_error(failure, "resolve");
    return question.answer(peers);
}

resolver::results_type resolve_now(const detail::question& question, boost::system::error_code& failure) {
    try {
        failure = {};
        return resolve_now(question);
    } catch (const boost::system::system_error& thrown) {
        failure = thrown.code();
        return {};
    }
}

} // namespace

std::vector<known_link> list_links(const xenstore::view& nodes) {
    std::vector<known_link> links;
    const auto add = [&](const std::string& half, const char* id_key, bool plain) {
        // A half may go while it is looked at.
        if (auto link = read_link(nodes, half, id_key, plain))
            links.push_back(*std::move(link));
    };
    for (const std::string& index : children(nodes, "device/vsock"))
        add("device/vsock/" + index, "backend-id", false);
    for (const std::string& index : children(nodes, "device/vchan")) // and without the module
        add("device/vchan/" + index, "backend-id", true);
    for (const std::string& frontend : children(nodes, "backend/vsock"))
        for (const std::string& index : children(nodes, "backend/vsock/" + frontend))
            add("backend/vsock/" + frontend + "/" + index, "frontend-id", false);
    std::sort(links.begin(), links.end(),
              [](const auto& a, const auto& b) { return a.peer.cid < b.peer.cid; });
    return links;
}

std::vector<known_peer> list_peers(const xenstore::view& nodes) {
    std::vector<known_peer> peers;
    for (auto& link : list_links(nodes))
        peers.push_back(std::move(link.peer));
    return peers;
}

namespace detail {

question::question(std::string_view host, std::string_view service) {
    read(host, service);
}

question::question(std::string_view host_and_service) {
    const auto colon = host_and_service.rfind(':');
    if (colon == std::string_view::npos)
        error_ = error::service_not_found;
    else
        read(host_and_service.substr(0, colon), host_and_service.substr(colon + 1));
}

question::question(const stream_protocol::endpoint& endpoint)
    : cid_(endpoint.cid()), port_(endpoint.port()), reverse_(true) {}

void question::read(std::string_view host, std::string_view service) {
    service_ = service;
    if (service != "any") {
        const auto port = parse_number(service);
        if (!port)
            error_ = error::service_not_found;
        port_ = port.value_or(any_port);
    }
    constexpr std::string_view name_prefix = "name:";
    cid_ = fixed_cid(host);
    host_ = host;
    if (!cid_ && host.starts_with(name_prefix))
        host_ = host.substr(name_prefix.size());
    if (host_.empty() && !host.empty())
        error_ = error::host_not_found;
}

std::vector<resolver_entry> question::answer(const std::vector<known_peer>& peers) const {
    if (error_)
        throw boost::system::system_error(error_, "resolve");
    if (reverse_) {
        const auto named = std::find_if(peers.begin(), peers.end(), [&](const auto& one) {
            return one.cid == *cid_ && !one.name.empty();
        });
        const std::string host = named == peers.end() ? std::to_string(*cid_) : named->name;
        return {{{*cid_, port_}, host, port_ == any_port ? "any" : std::to_string(port_)}};
    }
    if (cid_)
        return {{{*cid_, port_}, host_, service_}};
    const auto has_name = [&](const known_peer& one) { return one.name == host_; };
    const auto found = std::find_if(peers.begin(), peers.end(), has_name);
    if (found == peers.end())
        throw boost::system::system_error(error::host_not_found, "resolve " + host_);
    if (std::count_if(peers.begin(), peers.end(), has_name) > 1)
        throw boost::system::system_error(error::host_not_found_try_again,
                                          "resolve " + host_ + ", the name of several domains");
    return {{{found->cid, port_}, host_, service_}};
}

} // namespace detail

resolver::results_type resolver::resolve(std::string_view host, std::string_view service) {
    return resolve_now(detail::question(host, service));
}

resolver::results_type resolver::resolve(std::string_view host, std::string_view service,
                                         boost::system::error_code& error) {
    return resolve_now(detail::question(host, service), error);
}

resolver::results_type resolver::resolve(std::string_view host_and_service) {
    return resolve_now(detail::question(host_and_service));
}

resolver::results_type resolver::resolve(std::string_view host_and_service,
                                         boost::system::error_code& error) {
    return resolve_now(detail::question(host_and_service), error);
}

resolver::results_type resolver::resolve(const endpoint_type& endpoint) {
    return resolve_now(detail::question(endpoint));
}

resolver::results_type resolver::resolve(const endpoint_type& endpoint, boost::system::error_code& error) {
    return resolve_now(detail::question(endpoint), error);
}

} // namespace xvsock
