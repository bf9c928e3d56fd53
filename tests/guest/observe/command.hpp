// SPDX-License-Identifier: MIT
// Commands run in this domain, and through TCP in another one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace xvsock::guest {

struct outcome {
    int status = -1;    // exit status, or -1 after a signal
    std::string output; // and errors
};

// A child that runs until it is waited for. Its output goes to a pipe, or to /dev/null.
class child {
public:
    explicit child(std::vector<std::string> words, bool as_nobody = false);
    ~child();
    child(const child&) = delete;
    child& operator=(const child&) = delete;

    // Reads until the output contains the text; false when it ends before.
    bool says(const std::string& text);
    void signal(int number) const;
    outcome wait();

private:
    bool read_more();

    pid_t pid_ = -1;
    int output_fd_ = -1;
    std::string output_;
};

outcome run(std::vector<std::string> words);
outcome run_as_nobody(std::vector<std::string> words);
outcome shell(const std::string& line);

// Another domain of the scenario, in which serve_commands() runs. TCP, so that it does not count itself.
class other_domain {
public:
    explicit other_domain(std::string name) : name_(std::move(name)) {}

    const std::string& name() const { return name_; }
    std::uint32_t cid() const;

    outcome shell(const std::string& line) const;

private:
    std::string name_;
};

// Runs what other_domain::shell() asks for, one line after the other, for ever.
void serve_commands();

// Tries until it is true, for at most 20 s.
bool eventually(const std::function<bool()>& condition);

} // namespace xvsock::guest
