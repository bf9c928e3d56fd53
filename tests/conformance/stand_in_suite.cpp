// SPDX-License-Identifier: MIT
// Speaks as vsock_test does, over TCP alone, and fails in all ways that conformance-run must cope with.
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>

using boost::asio::ip::tcp;

namespace {

constexpr std::array names{"passes",        "client fails",  "server fails", "server fails late",
                           "client hangs",  "server hangs",  "skips itself", "passes after them",
                           "listed, fails", "listed, passes"};

struct options {
    std::map<std::string, std::string> values;
    std::set<std::size_t> skipped;
};

options read_options(int argc, char** argv) {
    options given;
    for (int i = 1; i < argc; ++i) {
        const std::string word(argv[i]);
        const auto equals = word.find('=');
        if (word.starts_with("--skip="))
            given.skipped.insert(std::stoul(word.substr(equals + 1)));
        else if (equals != std::string::npos)
            given.values[word.substr(0, equals)] = word.substr(equals + 1);
    }
    return given;
}

[[noreturn]] void fail(const std::string& message) {
    std::cerr << message << std::endl;
    std::exit(EXIT_FAILURE);
}

[[noreturn]] void hang() {
    for (;;)
        std::this_thread::sleep_for(std::chrono::hours(1));
}

void barrier(tcp::iostream& control, const std::string& word) {
    std::string answer;
    control << word << std::endl;
    if (!std::getline(control, answer))
        fail("unexpected EOF on control socket");
}

void run(const std::string_view name, bool client) {
    if (name == "client fails" && client)
        fail("the client says why");
    if (name == "server fails" && !client)
        fail("the server says why");
    if (name == "server fails late" && !client) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        fail("the server noticed late");
    }
    if ((name == "client hangs" && client) || (name == "server hangs" && !client))
        hang();
    if (name == "skips itself" && client)
        std::cerr << "Test skipped, it says." << std::endl;
    if (name == "listed, fails" && client)
        fail("as listed");
}

} // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::string_view(argv[1]) == "--list") {
        std::puts("ID\tTest name");
        for (std::size_t i = 0; i < names.size(); ++i)
            std::printf("%zu\t%s\n", i, names.at(i));
        return EXIT_FAILURE; // as vsock_test does
    }
    auto given = read_options(argc, argv);
    const bool client = given.values["--mode"] == "client";
    boost::asio::io_context context;
    tcp::iostream control;
    if (client) {
        control.connect(given.values["--control-host"], given.values["--control-port"]);
        if (!control)
            fail("Control socket initialization failed.");
    } else {
        const auto port = static_cast<unsigned short>(std::stoul(given.values["--control-port"]));
        tcp::acceptor acceptor(context, {tcp::v4(), port});
        control.socket() = acceptor.accept();
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
        std::printf("%zu - %s...", i, names.at(i));
        std::fflush(stdout);
        const bool skipped = given.skipped.contains(i);
        barrier(control, skipped ? "SKIP" : "NEXT");
        if (!skipped)
            run(names.at(i), client);
        std::puts(skipped ? "skipped" : "ok");
    }
    std::printf("All tests have been executed. Waiting other peer...");
    std::fflush(stdout);
    barrier(control, "COMPLETED");
    std::puts("ok");
    return EXIT_SUCCESS;
}
