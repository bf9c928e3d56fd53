// SPDX-License-Identifier: MIT
// What came out of the tests, and what was to be expected.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "suite_output.hpp"

namespace xvsock::conformance {

/// One test of one suite in one direction.
struct test_record {
    std::string suite;   ///< kernel release that the suite comes from: "7.2"
    std::string program; ///< "vsock_test", "vsock_diag_test" or "vsock_perf"
    int id = 0;
    std::string test;
    std::string client; ///< domain
    std::string server; ///< domain
    std::string kernel; ///< series that the domains run: "6.1"
    outcome result = outcome::fail;
    std::string detail;
    double seconds = 0;
};

boost::json::value to_json(const std::vector<test_record>& records);
/// Throws std::exception when the document has another shape.
std::vector<test_record> records_from(const boost::json::value& document);

/// "6.1" of "6.1.0-41-amd64".
std::string kernel_series(std::string_view release);

/// Tests that cannot pass, and why not.
class expectations {
public:
    struct exception {
        std::vector<std::string> tests;   ///< names
        std::vector<std::string> kernels; ///< series of the domains; empty: all
        std::vector<std::string> suites;  ///< empty: all
        outcome result = outcome::fail;   ///< what comes out instead of pass: fail or skip
        std::string says;                 ///< what the test then says, or part of it
        std::string reason;
    };

    explicit expectations(std::vector<exception> exceptions) : exceptions_(std::move(exceptions)) {}
    /// Those that hold on a data path of the module, "vchan" or "argo": entries may be for some only.
    /// Throws std::exception that says what is wrong with the document.
    static expectations from(const boost::json::value& document, std::string_view data_path);

    /// The entry for a test, or nullptr when it has to pass.
    [[nodiscard]] const exception* find(std::string_view suite, std::string_view kernel,
                                        std::string_view test) const;
    /// What is wrong with a record, in one sentence; nothing when it is as expected.
    [[nodiscard]] std::optional<std::string> complaint(const test_record& record) const;

private:
    std::vector<exception> exceptions_;
};

} // namespace xvsock::conformance
