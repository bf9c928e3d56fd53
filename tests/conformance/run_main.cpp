// SPDX-License-Identifier: MIT
// conformance-run: runs the kernel's vsock tests as the client of another domain, in which conformance-peer
// runs the server's side. Exit status 0: every test came out as expected; 1: not; 2: wrong usage.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <sys/utsname.h>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>
#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "common/document.hpp"
#include "pair.hpp"
#include "results.hpp"
#include "suite_output.hpp"
#include "test_program.hpp"

namespace asio = boost::asio;
namespace po = boost::program_options;
using namespace std::chrono_literals;
using namespace xvsock::conformance;
namespace testbed = xvsock::testbed;

namespace {

struct options {
    std::string client;
    std::string server;
    std::string address;
    unsigned short peer_port = 5000;
    unsigned short control_port = 5001;
    unsigned client_cid = 0;
    unsigned server_cid = 0;
    std::vector<std::string> suites;
    std::vector<std::string> programs;
    std::string expected;
    std::string data_path = "vchan";
    std::string out;
    unsigned limit = 30;
};

std::string running_kernel() {
    utsname name{};
    ::uname(&name);
    return kernel_series(name.release);
}

// The records of this run, written anew after each program so that a run that is cut short leaves some.
class record_book {
public:
    record_book(const options& given, expectations expected)
        : given_(given), expected_(std::move(expected)), kernel_(running_kernel()) {}

    [[nodiscard]] const expectations& expected() const { return expected_; }
    [[nodiscard]] const std::string& kernel() const { return kernel_; }

    void add(test_record record) {
        record.client = given_.client;
        record.server = given_.server;
        record.kernel = kernel_;
        if (const auto complaint = expected_.complaint(record)) {
            fmt::print("FAILED: {}\n", *complaint);
            ++complaints_;
        }
        records_.push_back(std::move(record));
    }

    /// Saves what there is and says how the tests of one program went.
    void close(const std::string& suite, const std::string& program) {
        std::map<outcome, int> counts;
        double seconds = 0;
        for (const auto& record : records_)
            if (record.suite == suite && record.program == program) {
                ++counts[record.result];
                seconds += record.seconds;
            }
        fmt::print("{} of {}: {} passed, {} failed, {} skipped themselves, in {:.1f} s\n", program, suite,
                   counts[outcome::pass], counts[outcome::fail], counts[outcome::skip], seconds);
        std::fflush(stdout);
        std::ofstream file(given_.out);
        file << boost::json::serialize(to_json(records_)) << '\n';
        if (!file.flush())
            throw std::runtime_error("cannot write " + given_.out);
    }

    [[nodiscard]] bool all_as_expected() const { return complaints_ == 0 && !records_.empty(); }

private:
    const options& given_;
    expectations expected_;
    std::string kernel_;
    std::vector<test_record> records_;
    int complaints_ = 0;
};

double seconds_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
}

/// Runs one program with numbered tests, again and again until each test has come out in some way.
class numbered_tests {
public:
    numbered_tests(const options& given, record_book& book, std::string suite, std::string program)
        : given_(given), book_(book), suite_(std::move(suite)), program_(std::move(program)),
          file_(fmt::format("{}-{}", program_, suite_)) {}

    asio::awaitable<void> run() {
        co_await list();
        // What is known to fail ends the program: one by one, after all the others.
        std::set<int> together;
        std::vector<std::set<int>> rounds;
        for (const auto& [id, name] : names_) {
            const auto* exception = book_.expected().find(suite_, book_.kernel(), name);
            if (exception != nullptr && exception->result == outcome::fail)
                rounds.push_back({id});
            else
                together.insert(id);
        }
        rounds.insert(rounds.begin(), together);
        for (auto& wanted : rounds)
            while (!wanted.empty())
                co_await attempt(wanted);
        book_.close(suite_, program_);
    }

private:
    asio::awaitable<void> list() {
        const auto executor = co_await asio::this_coro::executor;
        asio::steady_timer pause(executor);
        const auto program = test_program::start(executor, {file_, "--list"}, [&pause] { pause.cancel(); });
        while (!program->ended()) {
            pause.expires_after(10ms);
            boost::system::error_code woken;
            co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, woken));
        }
        for (const auto& test : parse_list(program->output()))
            names_.emplace(test.id, test.name);
        if (names_.empty())
            throw std::runtime_error(file_ + " --list names no tests: " + program->output());
    }

    std::vector<std::string> argv(bool client, const std::set<int>& wanted) const {
        std::vector<std::string> words{
            file_, fmt::format("--control-port={}", given_.control_port),
            client ? "--mode=client" : "--mode=server",
            fmt::format("--peer-cid={}", client ? given_.server_cid : given_.client_cid)};
        if (client)
            words.push_back("--control-host=" + given_.address);
        for (const auto& [id, name] : names_)
            if (!wanted.contains(id))
                words.push_back(fmt::format("--skip={}", id));
        return words;
    }

    // Takes off the list what has come out.
    asio::awaitable<void> attempt(std::set<int>& wanted) {
        pair_request request;
        request.peer = {asio::ip::make_address(given_.address), given_.peer_port};
        request.server_argv = argv(false, wanted);
        request.client_argv = argv(true, wanted);
        request.listens = given_.control_port;
        request.limit = std::chrono::seconds(given_.limit);
        const auto result = co_await run_pair(std::move(request));
        const auto before = wanted.size();
        for (auto& found : combine(result.client->output(), result.server.output))
            if (wanted.erase(found.id) != 0)
                note(std::move(found), result);
        if (wanted.size() < before)
            co_return;
        // Not one test came out: the first one gets the blame, so that this ends.
        finding blamed{*wanted.begin(), outcome::fail, {}};
        blamed.detail = fmt::format("no test was run; client ({}): {}; server ({}): {}", result.client->end(),
                                    result.client->output(), result.server.end, result.server.output);
        wanted.erase(wanted.begin());
        note(std::move(blamed), result);
    }

    void note(finding found, const pair_result& result) {
        test_record record;
        record.suite = suite_;
        record.program = program_;
        record.id = found.id;
        record.test = names_.at(found.id);
        record.result = found.result;
        record.detail = std::move(found.detail);
        record.seconds = duration(found.id, result);
        if (found.result == outcome::fail && result.stalled)
            record.detail = fmt::format("no progress for {} s{}{}", given_.limit,
                                        record.detail.empty() ? "" : "; ", record.detail);
        else if (found.result == outcome::fail && record.detail.empty())
            record.detail = fmt::format("client: {}, server: {}", result.client->end(), result.server.end);
        book_.add(std::move(record));
    }

    static double duration(int id, const pair_result& result) {
        const auto tests = parse_run(result.client->output());
        for (std::size_t i = 0; i < tests.size(); ++i)
            if (tests[i].id == id)
                return seconds_between(result.client->arrival(tests[i].offset),
                                       i + 1 < tests.size() ? result.client->arrival(tests[i + 1].offset)
                                                            : result.finished);
        return 0;
    }

    const options& given_;
    record_book& book_;
    std::string suite_;
    std::string program_;
    std::string file_;
    std::map<int, std::string> names_;
};

/// Moves data with vsock_perf. It has no tests of its own; these are ways to call it.
class perf_tests {
public:
    perf_tests(const options& given, record_book& book, std::string suite)
        : given_(given), book_(book), suite_(std::move(suite)), file_("vsock_perf-" + suite_) {}

    asio::awaitable<void> run() {
        int id = 0;
        for (const auto& way : ways()) {
            test_record record;
            record.suite = suite_;
            record.program = program;
            record.id = id++;
            record.test = way.name;
            co_await move(way, record);
            book_.add(std::move(record));
        }
        book_.close(suite_, program);
    }

private:
    static constexpr const char* program = "vsock_perf";

    struct way_to_call {
        const char* name;
        std::uint64_t bytes;
        std::uint64_t ring; ///< what the receiver may leave unread: it stops when it sees the sender's close
        std::vector<const char*> sender;
        std::vector<const char*> receiver;
    };

    static std::vector<way_to_call> ways() {
        constexpr std::uint64_t ring = 256 << 10;
        return {{"16 MiB by default settings", 16 << 20, ring, {"--bytes=16M"}, {}},
                {"4 MiB, 1 KiB sends, receiver's SO_RCVLOWAT 64 KiB",
                 4 << 20,
                 ring,
                 {"--bytes=4M", "--buf-size=1K"},
                 {"--rcvlowat=64K"}},
                {"4 MiB, receiver's buffer size 64 KiB", 4 << 20, ring, {"--bytes=4M"}, {"--vsk-size=64K"}}};
    }

    asio::awaitable<void> move(way_to_call way, test_record& record) {
        const auto start = std::chrono::steady_clock::now();
        asio::steady_timer pause(co_await asio::this_coro::executor);
        pair_request request;
        request.peer = {asio::ip::make_address(given_.address), given_.peer_port};
        request.limit = std::chrono::seconds(given_.limit);
        request.server_argv = {file_};
        request.server_argv.insert(request.server_argv.end(), way.receiver.begin(), way.receiver.end());
        request.client_argv = {file_, fmt::format("--sender={}", given_.server_cid)};
        request.client_argv.insert(request.client_argv.end(), way.sender.begin(), way.sender.end());
        for (;;) {
            const auto result = co_await run_pair(request);
            record.seconds = seconds_between(start, std::chrono::steady_clock::now());
            // Nothing tells from outside whether the receiver listens yet.
            const bool too_early = result.client->output().find("connect: ") != std::string::npos;
            if (too_early && record.seconds < given_.limit) {
                pause.expires_after(100ms);
                co_await pause.async_wait(asio::use_awaitable);
                continue;
            }
            judge(way, result, record);
            co_return;
        }
    }

    void judge(const way_to_call& way, const pair_result& result, test_record& record) const {
        const auto sent = number_after(result.client->output(), "total bytes sent: ");
        const auto received = number_after(result.server.output, "total bytes received: ");
        if (result.client->succeeded() && result.server.succeeded && sent == way.bytes && received <= sent &&
            received + way.ring >= sent) {
            record.result = outcome::pass;
            return;
        }
        record.detail =
            fmt::format("{}sent {}, received {}; client ({}): {}; server ({}): {}",
                        result.stalled ? "no progress; " : "", sent, received, result.client->end(),
                        result.client->output(), result.server.end, result.server.output);
    }

    static std::uint64_t number_after(const std::string& text, const std::string& label) {
        const auto at = text.find(label);
        return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + label.size(), nullptr, 10);
    }

    const options& given_;
    record_book& book_;
    std::string suite_;
    std::string file_;
};

asio::awaitable<void> run_all(const options& given, record_book& book) {
    for (const auto& suite : given.suites)
        for (const auto& program : given.programs) {
            if (program == "vsock_perf") {
                if (testbed::find_program(fmt::format("{}-{}", program, suite)).empty())
                    continue; // 6.1 has none
                perf_tests tests(given, book, suite);
                co_await tests.run();
            } else {
                numbered_tests tests(given, book, suite, program);
                co_await tests.run();
            }
        }
}

options read_options(int argc, char** argv) {
    options given;
    po::options_description described("Options");
    auto add = described.add_options();
    add("client", po::value(&given.client)->required(), "name of this domain");
    add("server", po::value(&given.server)->required(), "name of the other domain");
    add("address", po::value(&given.address)->required(), "IPv4 address of the other domain");
    add("peer-port", po::value(&given.peer_port)->default_value(given.peer_port),
        "where conformance-peer listens there");
    add("control-port", po::value(&given.control_port)->default_value(given.control_port),
        "for the tests' own connection, also there");
    add("client-cid", po::value(&given.client_cid)->required(), "CID of this domain");
    add("server-cid", po::value(&given.server_cid)->required(), "CID of the other domain");
    add("suites", po::value(&given.suites)->multitoken()->required(), "kernel releases, e.g. 6.1 7.2");
    add("programs", po::value(&given.programs)->multitoken()->required(),
        "vsock_test, vsock_diag_test, vsock_perf");
    add("expected", po::value(&given.expected)->required(), "JSON file of the tests that cannot pass");
    add("data-path", po::value(&given.data_path)->default_value(given.data_path),
        "of the module: what cannot pass depends on it");
    add("out", po::value(&given.out)->required(), "JSON file for the results");
    add("limit", po::value(&given.limit)->default_value(given.limit), "seconds that a test may take");
    po::variables_map values;
    po::store(po::command_line_parser(argc, argv).options(described).positional({}).run(), values);
    po::notify(values);
    return given;
}

} // namespace

int main(int argc, char** argv) {
    options given;
    try {
        given = read_options(argc, argv);
    } catch (const po::error& error) {
        std::cerr << "conformance-run: " << error.what() << '\n';
        return 2;
    }
    try {
        record_book book(given,
                         expectations::from(xvsock::tests::read_json(given.expected), given.data_path));
        asio::io_context context;
        std::exception_ptr problem;
        asio::co_spawn(context, run_all(given, book), [&](const std::exception_ptr& error) {
            problem = error;
            context.stop();
        });
        context.run();
        if (!problem)
            return book.all_as_expected() ? 0 : 1;
        try {
            std::rethrow_exception(problem);
        } catch (const std::exception& error) {
            std::cerr << "FAILED: " << error.what() << std::endl;
        }
        std::_Exit(1); // without waiting for a program that cannot be killed
    } catch (const std::exception& error) {
        std::cerr << "conformance-run: " << error.what() << '\n';
    }
    return 1;
}
