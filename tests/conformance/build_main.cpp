// SPDX-License-Identifier: MIT
// conformance-build: builds the kernel's vsock tests and puts them, as vsock_test-7.2 and so on, where the
// testbed takes programs from.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "host/failure.hpp"
#include "host/tool.hpp"
#include "kernel_tests.hpp"

namespace asio = boost::asio;
namespace fs = std::filesystem;
namespace po = boost::program_options;
using namespace xvsock;

namespace {

struct options {
    fs::path bin;
    fs::path cache;
    fs::path versions;
    bool refresh = false;
};

asio::awaitable<void> build_all(options given) {
    const testbed::progress tell;
    testbed::image_cache cache(fs::absolute(given.cache), [&](const std::string& text) { tell.say(text); });
    cache.set_refresh(given.refresh);
    boost::json::object versions;
    for (const auto& source : conformance::kernel_sources) {
        const auto tests = co_await conformance::obtain_kernel_tests(source, cache, tell);
        for (const auto& program : fs::directory_iterator(tests / "bin")) {
            const auto target =
                given.bin / fmt::format("{}-{}", program.path().filename().string(), source.release);
            fs::copy_file(program.path(), target.string() + ".new", fs::copy_options::overwrite_existing);
            fs::rename(target.string() + ".new", target);
        }
        const auto version = testbed::read_file(tests / "version");
        versions[source.release] = version.substr(0, version.find('\n'));
    }
    testbed::write_file(given.versions, boost::json::serialize(versions) + "\n");
    tell.say(fmt::format("the kernel's vsock tests are in {}", given.bin.string()));
}

} // namespace

int main(int argc, char** argv) {
    options given;
    po::options_description described("Options");
    auto add = described.add_options();
    add("help,h", "print this");
    add("bin", po::value(&given.bin)->required(), "folder for the programs");
    add("cache", po::value(&given.cache)->required(), "folder of the testbed's images");
    add("versions", po::value(&given.versions)->required(),
        "JSON file for the versions of the source packages");
    add("refresh", po::bool_switch(&given.refresh), "build them anew");
    try {
        po::variables_map values;
        po::store(po::command_line_parser(argc, argv).options(described).positional({}).run(), values);
        if (values.count("help") > 0) {
            std::cout << described;
            return testbed::exit_passed;
        }
        po::notify(values);
        asio::io_context context;
        std::exception_ptr problem;
        asio::co_spawn(context, build_all(given), [&](const std::exception_ptr& error) { problem = error; });
        context.run();
        if (problem)
            std::rethrow_exception(problem);
        return testbed::exit_passed;
    } catch (const po::error& error) {
        std::cerr << "conformance-build: " << error.what() << '\n';
        return testbed::exit_usage;
    } catch (const testbed::failure& error) {
        std::cerr << "conformance-build: " << error.what() << '\n';
        return error.code();
    } catch (const std::exception& error) {
        std::cerr << "conformance-build: " << error.what() << '\n';
        return testbed::exit_environment;
    }
}
