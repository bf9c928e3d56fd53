// SPDX-License-Identifier: MIT
// The cost of a round trip by plain system calls and by the Asio layer. The clients take turns: what disturbs
// one disturbs the other.
//   vsock-echo-loop serve plain|layer PORT THREADS
//   vsock-echo-loop events|blocking CID PLAIN-PORT LAYER-PORT CONNECTIONS ROUNDS REPEATS
#include "echo_loop.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <iostream>
#include <string>
#include <vector>

using namespace xvsock::bench;

namespace {

int usage() {
    std::cerr
        << "usage: vsock-echo-loop serve plain|layer PORT THREADS\n"
           "       vsock-echo-loop events|blocking CID PLAIN-PORT LAYER-PORT CONNECTIONS ROUNDS REPEATS\n";
    return 2;
}

double median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                     values.end());
    return values.at(values.size() / 2);
}

void compare(const std::string& calls, echo_load load, std::uint32_t plain_port, std::uint32_t layer_port,
             unsigned repeats) {
    const bool blocking = calls == "blocking";
    const auto run_of_plain = blocking ? run_blocking_plain : run_plain;
    const auto run_of_layer = blocking ? run_blocking_layer : run_layer;
    std::vector<double> plain, layer;
    const double trips = double{1} * load.connections * load.rounds;
    for (unsigned i = 0; i < repeats; ++i) {
        load.port = plain_port;
        plain.push_back(static_cast<double>(run_of_plain(load)) / trips);
        load.port = layer_port;
        layer.push_back(static_cast<double>(run_of_layer(load)) / trips);
    }
    std::cout << boost::json::serialize(boost::json::object{{"calls", calls},
                                                            {"connections", load.connections},
                                                            {"rounds", load.rounds},
                                                            {"plain_ns", median(plain)},
                                                            {"layer_ns", median(layer)},
                                                            {"ratio", median(layer) / median(plain)}})
              << std::endl;
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    try {
        if (words.size() == 4 && words[0] == "serve") {
            const auto serve = words[1] == "layer" ? serve_layer : serve_plain;
            serve(std::stoul(words[2]), std::stoul(words[3]));
        } else if (words.size() == 7 && (words[0] == "events" || words[0] == "blocking")) {
            const auto number = [&](std::size_t i) {
                return static_cast<std::uint32_t>(std::stoul(words[i]));
            };
            compare(words[0], {.cid = number(1), .connections = number(4), .rounds = number(5)}, number(2),
                    number(3), number(6));
        } else {
            return usage();
        }
    } catch (const std::exception& error) {
        std::cerr << "vsock-echo-loop: " << error.what() << '\n';
        return 1;
    }
}
