// SPDX-License-Identifier: MIT
// The ring natively, between two processes, beside the other ways between two processes.
//   xvsock-ring-bench [OPTIONS OF GOOGLE BENCHMARK]
//   xvsock-ring-bench --check FILE    of --benchmark_out=FILE --benchmark_out_format=json
#include "check.hpp"
#include "measure.hpp"

#include <benchmark/benchmark.h>

#include <exception>
#include <iostream>
#include <string>
#include <vector>

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    try {
        if (!words.empty() && words[0] == "--check") {
            if (words.size() == 2)
                return xvsock::bench::check(words[1]) ? 0 : 1;
            std::cerr << "usage: xvsock-ring-bench [OPTIONS OF GOOGLE BENCHMARK] | --check FILE\n";
            return 2;
        }
        benchmark::Initialize(&argc, argv);
        if (benchmark::ReportUnrecognizedArguments(argc, argv))
            return 2;
        xvsock::bench::add_measurements();
        benchmark::RunSpecifiedBenchmarks();
        benchmark::Shutdown();
    } catch (const std::exception& error) {
        std::cerr << "xvsock-ring-bench: " << error.what() << '\n';
        return 1;
    }
}
