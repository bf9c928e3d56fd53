// SPDX-License-Identifier: MIT
// `xvsock run`: runs a program with the library that carries its TCP connections over AF_VSOCK.
#include "peers/peer_list.hpp"
#include "preload/address_map.hpp"
#include "run/map_file.hpp"
#include "run/program_file.hpp"
#include "subcommand.hpp"

#include <boost/program_options.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <iostream>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

namespace xvsock {

namespace po = boost::program_options;
namespace fs = std::filesystem;

namespace {

// As env(1) and its like have them, so that they are not taken for the program's.
enum run_status : int { run_failed = 125, cannot_execute = 126, not_found = 127 };

constexpr const char* library_name = "xvsock-preload.so";

struct run_options {
    std::string map_file;
    std::vector<std::string> command; ///< and its arguments
    bool help = false;
};

/// The options end where the program's name begins, or after "--".
run_options parse(const std::vector<std::string>& arguments, po::options_description& visible) {
    run_options given;
    visible.add_options()("map", po::value(&given.map_file)->value_name("FILE"),
                          "more addresses that stand for peers, in lines of ADDRESS PEER")(
        "help,h", po::bool_switch(&given.help), "show this help");
    auto end = arguments.begin();
    while (end != arguments.end() && end->starts_with("-") && *end != "--")
        end += *end == "--map" && end + 1 != arguments.end() ? 2 : 1;
    po::variables_map values;
    po::store(
        po::command_line_parser(std::vector<std::string>(arguments.begin(), end)).options(visible).run(),
        values);
    po::notify(values);
    if (end != arguments.end() && *end == "--")
        ++end;
    given.command.assign(end, arguments.end());
    return given;
}

cid_type own_cid() {
    const int device = ::open("/dev/vsock", O_RDONLY | O_CLOEXEC);
    unsigned cid = 0;
    const bool known = device >= 0 && ::ioctl(device, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) == 0;
    if (device >= 0)
        ::close(device);
    if (!known || cid == VMADDR_CID_ANY)
        throw std::runtime_error("this domain has no CID: the module xen_vsock is not loaded");
    return cid;
}

/// The peers by xenstore. Without it names are missing, and addresses work.
std::vector<known_peer> peers_or_warning() {
    std::vector<known_peer> peers;
    try {
        for (auto& link : peers::read_links())
            peers.push_back(std::move(link.peer));
    } catch (const boost::system::system_error& error) {
        fmt::print(stderr, "xvsock run: the names of the peers are not known: xenstore: {}\n",
                   error.code().message());
    }
    return peers;
}

fs::path find_library() {
    const fs::path here = fs::read_symlink("/proc/self/exe").parent_path();
    const fs::path places[] = {here / library_name, here / ".." / XVSOCK_LIBDIR / "xvsock" / library_name};
    for (const auto& place : places)
        if (std::error_code ignored; fs::exists(place, ignored))
            return fs::canonical(place);
    throw std::runtime_error(fmt::format("{} is missing: looked for {} and {}", library_name,
                                         places[0].string(), places[1].string()));
}

void set_variable(const char* name, const std::string& value) {
    if (::setenv(name, value.c_str(), 1) != 0)
        throw std::runtime_error(fmt::format("cannot set {}: {}", name, std::strerror(errno)));
}

void prepare_environment(const run_options& given) {
    const auto own = own_cid();
    const auto peers = peers_or_warning();
    std::vector<run::mapping> addresses;
    if (!given.map_file.empty()) {
        std::ifstream file(given.map_file);
        if (!file)
            throw std::runtime_error(fmt::format("cannot open {}: {}", given.map_file, std::strerror(errno)));
        addresses = run::read_map(file, given.map_file, peers);
    }
    set_variable(preload::map_variable, run::map_text(own, peers, addresses));
    const char* const others = std::getenv("LD_PRELOAD");
    set_variable("LD_PRELOAD", find_library().string() + (others == nullptr || *others == '\0' ? "" : ":") +
                                   (others == nullptr ? "" : others));
}

int execute(const run_options& given) {
    const char* const path = std::getenv("PATH");
    const auto program = run::find_program(given.command[0], path == nullptr ? "/usr/bin:/bin" : path);
    if (!program) {
        const auto& name = given.command[0];
        const bool is_there = name.find('/') != std::string::npos && ::access(name.c_str(), F_OK) == 0;
        fmt::print(stderr, "xvsock run: {} {}\n",
                   is_there ? "there is no right to execute" : "there is no program", name);
        return is_there ? cannot_execute : not_found;
    }
    if (const auto objection = run::objection_to(*program); !objection.empty()) {
        fmt::print(stderr, "xvsock run: {}; `xvsock forward` can, from a TCP port of this domain\n",
                   objection);
        return cannot_execute;
    }
    prepare_environment(given);
    std::vector<char*> arguments;
    for (const auto& one : given.command)
        arguments.push_back(const_cast<char*>(one.c_str()));
    arguments.push_back(nullptr);
    ::signal(SIGPIPE, SIG_DFL); // which this tool ignores
    ::execv(program->c_str(), arguments.data());
    fmt::print(stderr, "xvsock run: cannot execute {}: {}\n", program->string(), std::strerror(errno));
    return cannot_execute;
}

} // namespace

int run_run(const std::vector<std::string>& arguments) {
    po::options_description visible("Options");
    const auto given = parse(arguments, visible);
    if (given.help) {
        std::cout
            << "Usage: xvsock run [--map FILE] [--] PROGRAM [ARGUMENT...]\n"
               "Runs a program for TCP. Its connections to the addresses and names of peers are carried over "
               "AF_VSOCK, and what listens at all addresses is reached by peers, too. All other addresses "
               "stay "
               "with TCP. A peer's address is 198.18.0.0 plus its CID, or fd78:7673:6f63:6b00:: plus its "
               "CID.\n\n"
            << visible
            << "\nExit status: the program's; 125 for a failure of this command, 126 if the program cannot "
               "be "
               "executed, 127 if there is none, 2 wrong command line.\n";
        return exit_ok;
    }
    if (given.command.empty())
        throw usage_error("the program to run is missing");
    try {
        return execute(given);
    } catch (const std::exception& error) {
        fmt::print(stderr, "xvsock run: {}\n", error.what());
        return run_failed;
    }
}

} // namespace xvsock
