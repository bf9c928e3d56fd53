// SPDX-License-Identifier: MIT
// `xvsock-peer`: makes, removes and lists peer links and plain links, from dom0.
#include "common/text_table.hpp"
#include "domains.hpp"
#include "hints.hpp"
#include "peer_link.hpp"
#include "plain_link.hpp"

#include <xvsock/xenstore/client.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/program_options.hpp>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <future>
#include <iostream>
#include <span>
#include <sstream>

namespace {

using namespace xvsock;
using namespace xvsock::peer;
namespace asio = boost::asio;
namespace po = boost::program_options;
namespace json = boost::json;

enum exit_status : int { exit_ok = 0, exit_failed = 1, exit_usage = 2 };

class usage_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct options {
    std::vector<std::string> words;
    bool json = false;
    bool plain = false;
    bool force = false;
    std::string accept;  ///< ports
    std::string connect; ///< likewise
    unsigned timeout = 10;
};

/// How many pairs were changed before the one that is being worked on.
unsigned changes = 0;

std::string changes_before() {
    return changes == 0 ? "Nothing was changed." : "The pairs reported before were changed, this one not.";
}

/// xenstored did not answer in time. It drops an open transaction when its client goes away.
class timeout_error : public std::runtime_error {
public:
    timeout_error(const std::string& call, unsigned seconds)
        : std::runtime_error(
              fmt::format("xenstored did not answer within {} s (to {}): does it run? {}", seconds, call,
                          call == xenstore::commit_call
                              ? "Whether the change was made is not known: see 'xvsock-peer list'."
                              : changes_before())) {}
};

/// A connection to xenstored with a time limit for each transaction.
class store {
public:
    explicit store(unsigned seconds) : seconds_(seconds) {}

    /// Blocks. `body` captures by value: after a time-out it may still be running.
    template <typename Body> std::invoke_result_t<Body&, const xenstore::view&> transact(Body body) {
        return wait_for(client_.async_transact(std::move(body), asio::use_future));
    }

    /// As transact(), outside of a transaction.
    template <typename Body> std::invoke_result_t<Body&, const xenstore::view&> run(Body body) {
        return wait_for(client_.async_run(std::move(body), asio::use_future));
    }

    /// Runs `body`, which takes how it is run, too, in a transaction, or without one when a domain keeps
    /// writing into its half of the link.
    template <typename Body> auto change(const link_ends& ends, const Body& body) {
        client_.set_attempts(8);
        try {
            return transact([body](const xenstore::view& view) { return body(view, how::in_transaction); });
        } catch (const std::system_error& error) {
            if (!others_are_busy(error.code()))
                throw;
        }
        auto result = run([body](const xenstore::view& view) { return body(view, how::without); });
        transact([ends](const xenstore::view& view) { remove_ghosts(view, ends); });
        return result;
    }

private:
    template <typename Result> Result wait_for(std::future<Result> done) {
        context_.restart();
        context_.run_for(std::chrono::seconds(seconds_));
        if (!context_.stopped())
            throw timeout_error(client_.current_call(), seconds_);
        return done.get();
    }

    unsigned seconds_;
    asio::io_context context_;
    xenstore::client client_{context_.get_executor()};
};

std::string describe(const link_ends& ends, const std::vector<domain>& known) {
    return fmt::format("backend {}, frontend {}", peer::describe(ends.backend, known),
                       peer::describe(ends.frontend, known));
}

std::string_view outcome(add_result result) {
    switch (result) {
    case add_result::added:
        return "added";
    case add_result::existed:
        return "exists already, nothing changed";
    case add_result::repaired:
        break;
    }
    return "was damaged, repaired";
}

/// Tells at once what happened to a pair: when a later one fails, this is what stays.
void report(std::string_view what, const link_ends& ends, const std::vector<domain>& known, bool change) {
    fmt::print("{}: {}\n", what, describe(ends, known));
    std::fflush(stdout);
    changes += change ? 1 : 0;
}

std::span<const std::string> pair_words(const options& given) {
    return std::span(given.words).subspan(1);
}

/// The pairs that words name, with the domains that there are.
struct named_domains {
    std::vector<domain> known;
    std::vector<link_ends> pairs;
};

struct addition {
    add_result result{};
    std::vector<std::string> problems;
};

void require_no_plain_link(const xenstore::view& view, const link_ends& ends) {
    for (const auto& plain :
         {plain_ends{ends.backend, ends.frontend}, plain_ends{ends.frontend, ends.backend}})
        if (is_plain_link(view, plain))
            throw domain_error(fmt::format("between the domains {} and {} is a plain link already; 'remove "
                                           "--plain' it first",
                                           plain.module, plain.plain));
}

/// xvsockd would change it back, sooner or later.
void require_made_by_hand(const xenstore::view& view, const link_ends& ends, bool force,
                          const std::vector<domain>& known) {
    const auto settings = read_settings(view, ends);
    if (settings && settings->made_by != by_hand && !force)
        throw domain_error(fmt::format(
            "the link between the domains {} and {} was made by {}: change its policy, "
            "or give --force",
            peer::describe(ends.backend, known), peer::describe(ends.frontend, known), settings->made_by));
}

addition add(const xenstore::view& view, const link_ends& ends, const std::vector<domain>& known, how way) {
    // The CIDs of a link that is up cannot change, and its ports and limits are not meant to.
    auto settings = read_settings(view, ends).value_or(link_settings{});
    settings.made_by = by_hand;
    settings.backend.peer_name = name_of(ends.frontend, known);
    settings.frontend.peer_name = name_of(ends.backend, known);
    // The lowest that a domain's links say holds, and xvsockd, which may raise it, leaves this one alone.
    for (end_settings* end : {&settings.backend, &settings.frontend}) {
        end->domain_max_connections.reset();
        end->domain_max_memory.reset();
    }
    const link_layout layout = make_layout(ends, settings);
    addition result;
    if (way == how::in_transaction) {
        result.result = add_link(view, layout, result.problems);
        return result;
    }
    if (!view.exists(layout.frontend_path) || !view.exists(layout.backend_path))
        throw std::system_error(EAGAIN, std::generic_category(), "make a link");
    result.problems = mend_settings(view, layout);
    result.result = result.problems.empty() ? add_result::existed : add_result::repaired;
    return result;
}

int run_add(store& xenstore, const options& given) {
    const auto [known, pairs] = xenstore.transact([given](const xenstore::view& view) {
        named_domains found;
        found.known = list_domains(view);
        found.pairs = named_pairs(pair_words(given), found.known);
        for (const link_ends& ends : found.pairs)
            for (const domid end : {ends.backend, ends.frontend})
                require_domain(end, found.known);
        return found;
    });
    // A transaction for each: with many pairs one for all would meet somebody else's change again and again.
    for (const link_ends& ends : pairs) {
        const addition added =
            xenstore.change(ends, [ends, known, force = given.force](const xenstore::view& view, how way) {
                for (const domid end : {ends.backend, ends.frontend})
                    require_still_there(view, end, known);
                require_no_plain_link(view, ends);
                require_made_by_hand(view, ends, force, known);
                return add(view, ends, known, way);
            });
        report(outcome(added.result), ends, known, added.result != add_result::existed);
        for (const std::string& problem : added.problems)
            fmt::print("  {}\n", problem);
    }
    return exit_ok;
}

int run_remove(store& xenstore, const options& given) {
    // A domid needs no domain: what a dead one left with its peer must be removable.
    const auto [known, pairs] = xenstore.transact([given](const xenstore::view& view) {
        const auto domains = list_domains(view);
        return named_domains{domains, named_pairs(pair_words(given), domains)};
    });
    for (const link_ends& ends : pairs) {
        const bool removed =
            xenstore.change(ends, [ends, known, force = given.force](const xenstore::view& view, how) {
                require_made_by_hand(view, ends, force, known);
                return remove_link(view, make_layout(ends));
            });
        report(removed ? "removed" : "there is no such link, nothing changed", ends, known, removed);
    }
    return exit_ok;
}

json::object to_json(domid id, const end_settings& settings, const std::string& state,
                     const std::vector<domain>& known) {
    return {{"domid", id},
            {"name", name_of(id, known)},
            {"cid", settings.cid.value_or(default_cid(id))},
            {"state", state}};
}

void print_json(const std::vector<link_status>& links, const std::vector<domain>& known) {
    json::array list;
    for (const link_status& one : links)
        list.push_back(json::object{
            {"backend", to_json(one.ends.backend, one.settings.backend, one.backend_state, known)},
            {"frontend", to_json(one.ends.frontend, one.settings.frontend, one.frontend_state, known)},
            {"made-by", one.settings.made_by},
            {"problems", json::array(one.problems.begin(), one.problems.end())}});
    fmt::print("{}\n", json::serialize(list));
}

void print_table(const std::vector<link_status>& links, const std::vector<domain>& known) {
    if (links.empty()) {
        fmt::print("There are no peer links.\n");
        return;
    }
    using align = text_table::align;
    text_table table({{"backend", align::left},
                      {"domid"},
                      {"CID"},
                      {"state", align::left},
                      {"frontend", align::left},
                      {"domid"},
                      {"CID"},
                      {"state", align::left},
                      {"link", align::left},
                      {"made by", align::left}});
    const auto shown_name = [&](domid id) {
        const std::string name = name_of(id, known);
        return name.empty() ? std::string("-") : name;
    };
    for (const link_status& one : links)
        table.add_row({shown_name(one.ends.backend), fmt::format("{}", one.ends.backend),
                       fmt::format("{}", one.settings.backend.cid.value_or(default_cid(one.ends.backend))),
                       one.backend_state, shown_name(one.ends.frontend), fmt::format("{}", one.ends.frontend),
                       fmt::format("{}", one.settings.frontend.cid.value_or(default_cid(one.ends.frontend))),
                       one.frontend_state, one.problems.empty() ? "ok" : "damaged", one.settings.made_by});
    fmt::print("{}", table.to_string());
    for (const link_status& one : links)
        for (const std::string& problem : one.problems)
            fmt::print("damaged: {}: {}\n", describe(one.ends, known), problem);
}

template <typename Status> struct existing {
    std::vector<domain> known;
    std::vector<Status> links;
};

int run_list(store& xenstore, const options& given) {
    // Without a transaction, which a domain that keeps writing into its half would make fail.
    const auto [known, links] = xenstore.run([](const xenstore::view& view) {
        return existing<link_status>{list_domains(view), list_links(view)};
    });
    given.json ? print_json(links, known) : print_table(links, known);
    return exit_ok;
}

// ---- Plain links

/// The pair that the words name: the domain with the module, and the other.
plain_ends named_plain(const options& given, const std::vector<domain>& known) {
    const auto words = pair_words(given);
    const plain_ends ends{resolve_domain(words[0], known), resolve_domain(words[1], known)};
    make_ends(ends.module, ends.plain); // they are two
    return ends;
}

std::string describe(const plain_ends& ends, const std::vector<domain>& known) {
    return fmt::format("with the module {}, without {}", peer::describe(ends.module, known),
                       peer::describe(ends.plain, known));
}

std::string_view outcome(plain_result result) {
    switch (result) {
    case plain_result::added:
        return "added";
    case plain_result::existed:
        return "exists already, nothing changed";
    case plain_result::changed:
        break;
    }
    return "changed";
}

int run_add_plain(store& xenstore, const options& given) {
    if (given.accept.empty() && given.connect.empty())
        throw usage_error("add --plain allows nothing without --accept PORTS or --connect PORTS");
    plain_ports ports;
    if (!given.accept.empty())
        ports.accept = parse_ports(given.accept, false);
    if (!given.connect.empty())
        ports.connect = parse_ports(given.connect, true);
    const std::string line = xenstore.transact([given, ports](const xenstore::view& view) {
        const auto known = list_domains(view);
        const plain_ends ends = named_plain(given, known);
        for (const domid end : {ends.module, ends.plain})
            require_domain(end, known);
        const plain_result result = add_plain_link(view, ends, ports, name_of(ends.plain, known));
        return fmt::format("{}: {}", outcome(result), describe(ends, known));
    });
    fmt::print("{}\n", line);
    return exit_ok;
}

int run_remove_plain(store& xenstore, const options& given) {
    const std::string line = xenstore.transact([given](const xenstore::view& view) {
        const auto known = list_domains(view);
        const plain_ends ends = named_plain(given, known);
        const bool removed = remove_link(view, make_plain_layout(ends, {}));
        return fmt::format("{}: {}", removed ? "removed" : "there is no such link, nothing changed",
                           describe(ends, known));
    });
    fmt::print("{}\n", line);
    return exit_ok;
}

json::value json_ports(const std::string& ports) {
    if (ports == "any")
        return "any";
    json::array list;
    std::istringstream words(ports);
    for (std::uint32_t port = 0; words >> port;)
        list.emplace_back(port);
    return list;
}

void print_json(const std::vector<plain_status>& links, const std::vector<domain>& known) {
    json::array list;
    for (const plain_status& one : links)
        list.push_back(json::object{{"module", to_json(one.ends.module, {}, one.state, known)},
                                    {"plain", json::object{{"domid", one.ends.plain},
                                                           {"name", name_of(one.ends.plain, known)},
                                                           {"cid", default_cid(one.ends.plain)}}},
                                    {"connect", json_ports(one.ports.connect)},
                                    {"accept", json_ports(one.ports.accept)},
                                    {"problems", json::array(one.problems.begin(), one.problems.end())}});
    fmt::print("{}\n", json::serialize(list));
}

void print_table(const std::vector<plain_status>& links, const std::vector<domain>& known) {
    if (links.empty()) {
        fmt::print("There are no plain links.\n");
        return;
    }
    using align = text_table::align;
    text_table table({{"with the module", align::left},
                      {"CID"},
                      {"state", align::left},
                      {"without", align::left},
                      {"CID"},
                      {"connect", align::left},
                      {"accept", align::left},
                      {"link", align::left}});
    const auto shown = [](const std::string& ports) { return ports.empty() ? std::string("-") : ports; };
    for (const plain_status& one : links)
        table.add_row(
            {peer::describe(one.ends.module, known), fmt::format("{}", default_cid(one.ends.module)),
             one.state, peer::describe(one.ends.plain, known), fmt::format("{}", default_cid(one.ends.plain)),
             shown(one.ports.connect), shown(one.ports.accept), one.problems.empty() ? "ok" : "damaged"});
    fmt::print("{}", table.to_string());
    for (const plain_status& one : links)
        for (const std::string& problem : one.problems)
            fmt::print("damaged: {}: {}\n", describe(one.ends, known), problem);
}

int run_list_plain(store& xenstore, const options& given) {
    const auto [known, links] = xenstore.run([](const xenstore::view& view) {
        return existing<plain_status>{list_domains(view), list_plain_links(view)};
    });
    given.json ? print_json(links, known) : print_table(links, known);
    return exit_ok;
}

// ---- The command line

struct command {
    std::string_view name;
    bool pairs; ///< takes pairs of domains, or one with --plain
    int (*run)(store&, const options&);
    int (*run_plain)(store&, const options&);
};

constexpr command commands[] = {{"add", true, run_add, run_add_plain},
                                {"remove", true, run_remove, run_remove_plain},
                                {"list", false, run_list, run_list_plain}};

const command& find_command(const options& given) {
    if (given.words.empty())
        throw usage_error("a command is missing: add, remove or list");
    for (const command& one : commands) {
        if (one.name != given.words[0])
            continue;
        if (!one.pairs && given.words.size() > 1)
            throw usage_error(fmt::format("{} takes no domains", one.name));
        if (one.pairs && (given.words.size() < 3 || given.words.size() % 2 == 0))
            throw usage_error(fmt::format("{} takes two domains, or more pairs of two", one.name));
        if (one.pairs && given.plain && given.words.size() != 3)
            throw usage_error(fmt::format(
                "{} --plain takes two domains: the one with the module, and the other", one.name));
        if (given.json && one.name != "list")
            throw usage_error("--json is for list");
        if (given.force && (one.name == "list" || given.plain))
            throw usage_error("--force is for add and remove, without --plain");
        if ((!given.accept.empty() || !given.connect.empty()) && (one.name != "add" || !given.plain))
            throw usage_error("--accept and --connect are for add --plain");
        return one;
    }
    throw usage_error(fmt::format("unknown command '{}': must be add, remove or list", given.words[0]));
}

int run(int argc, char** argv) {
    changes = 0;
    options given;
    po::options_description visible("Options"), all;
    visible.add_options()("json", po::bool_switch(&given.json), "list as JSON")(
        "force", po::bool_switch(&given.force), "also links that xvsockd made")(
        "plain", po::bool_switch(&given.plain), "links of a domain to one without the module")(
        "accept", po::value(&given.accept)->value_name("PORTS"),
        "with add --plain: ports of the module's domain that the other may connect to")(
        "connect", po::value(&given.connect)->value_name("PORTS"),
        "with add --plain: ports of the other that the module's domain may connect to, or any")(
        "timeout", po::value(&given.timeout)->default_value(10)->value_name("S"),
        "give up when xenstored takes more than S seconds for a pair")("help", "show this help")(
        "version", "show the version");
    all.add(visible).add_options()("word", po::value(&given.words));
    po::positional_options_description positional;
    positional.add("word", -1);
    po::variables_map values;
    po::store(po::command_line_parser(argc, argv).options(all).positional(positional).run(), values);
    po::notify(values);

    if (values.count("help")) {
        std::cout
            << "Usage: xvsock-peer add [--force] DOMAIN DOMAIN [DOMAIN DOMAIN]...\n"
               "       xvsock-peer remove [--force] DOMAIN DOMAIN [DOMAIN DOMAIN]...\n"
               "       xvsock-peer add --plain [--accept PORTS] [--connect PORTS] DOMAIN DOMAIN\n"
               "       xvsock-peer remove --plain DOMAIN DOMAIN\n"
               "       xvsock-peer list [--plain] [--json]\n"
               "Makes, removes and lists the peer links over which two domains may talk by AF_VSOCK. Runs in "
               "dom0. With --plain only the first domain runs the module, and the other has programs that "
               "use "
               "libxenvchan.\n\n"
               "DOMAIN is a domid or a name; name:NAME for a name that is all digits.\n\n"
            << visible
            << "\nExit status: 0 done, or nothing to do; 1 failed, nothing changed but the pairs reported "
               "before; "
               "2 wrong command line.\n";
        return exit_ok;
    }
    if (values.count("version")) {
        fmt::print("xvsock-peer {}\n", XVSOCK_VERSION);
        return exit_ok;
    }
    if (given.timeout < 1 || given.timeout > 3600)
        throw usage_error("--timeout must be from 1 to 3600 seconds");
    const command& wanted = find_command(given);
    store xenstore(given.timeout);
    return (given.plain ? wanted.run_plain : wanted.run)(xenstore, given);
}

} // namespace

int main(int argc, char** argv) {
    int status = exit_failed;
    try {
        status = run(argc, argv);
    } catch (const usage_error& error) {
        fmt::print(stderr, "xvsock-peer: {}\nTry 'xvsock-peer --help'.\n", error.what());
        return exit_usage;
    } catch (const port_error& error) {
        fmt::print(stderr, "xvsock-peer: {}\n", error.what());
        return exit_usage;
    } catch (const po::error& error) {
        fmt::print(stderr, "xvsock-peer: {}\nTry 'xvsock-peer --help'.\n", error.what());
        return exit_usage;
    } catch (const std::system_error& error) {
        fmt::print(stderr, "xvsock-peer: cannot {}{}. {}\n", error.what(), hint_for(error.code().value()),
                   changes_before());
        return exit_failed;
    } catch (const timeout_error& error) {
        fmt::print(stderr, "xvsock-peer: {}\n", error.what());
        return exit_failed;
    } catch (const std::exception& error) {
        fmt::print(stderr, "xvsock-peer: {}. {}\n", error.what(), changes_before());
        return exit_failed;
    }
    std::cout.flush();
    if (std::fflush(stdout) != 0 || std::ferror(stdout) || !std::cout) {
        fmt::print(stderr, "xvsock-peer: cannot write the output: {}\n", std::strerror(errno));
        return exit_failed;
    }
    return status;
}
