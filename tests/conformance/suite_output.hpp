// SPDX-License-Identifier: MIT
// Reads what vsock_test and vsock_diag_test print.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace xvsock::conformance {

/// A test of a suite, as --list names it.
struct suite_test {
    int id = 0;
    std::string name;
};

/// Reads the output of --list.
std::vector<suite_test> parse_list(std::string_view output);

/// How one side's program got on with one test.
struct test_progress {
    enum class state { passed, skipped, unfinished };

    int id = 0;
    state end = state::unfinished;
    std::string said;       ///< what it printed beside its name and verdict, on one line
    std::size_t offset = 0; ///< where its name begins in the output
};

/// Reads the output of a run, stdout and stderr as they came. Only the last test can be unfinished.
std::vector<test_progress> parse_run(std::string_view output);

enum class outcome {
    pass,
    fail,
    skip ///< it ran and found that what it wants to test is not supported
};

std::string to_string(outcome value);
/// Throws std::invalid_argument.
outcome outcome_from(std::string_view text);

/// What a run has found out about one test.
struct finding {
    int id = 0;
    outcome result = outcome::fail;
    std::string detail; ///< why it failed or was skipped, with the side that said so
};

/// Puts both sides' outputs together. A program ends at its first failure, and the other side may notice
/// one test later: the first test that either side has not finished is the one that failed, and nothing
/// after it has been found out.
std::vector<finding> combine(std::string_view client_output, std::string_view server_output);

} // namespace xvsock::conformance
