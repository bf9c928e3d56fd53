// SPDX-License-Identifier: MIT
#include "host/run_record.hpp"

#include <algorithm>
#include <fcntl.h>
#include <sstream>
#include <sys/file.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <fmt/format.h>

#include "host/failure.hpp"
#include "host/tool.hpp"

namespace asio = boost::asio;
namespace fs = std::filesystem;
namespace json = boost::json;

namespace xvsock::testbed {

namespace {

constexpr std::size_t shown_lines = 12;
// What a script's checks begin their line with when they fail.
constexpr std::string_view failure_mark = "FAIL";
// What ends GoogleTest's line about a failed check, and how many lines say what was compared.
constexpr std::string_view check_mark = ": Failure";
constexpr std::size_t check_lines = 4;
constexpr std::string_view script_mark = "testbed: script starts";

void append(std::map<std::string, std::ofstream>& files, const fs::path& path, const std::string& name,
            std::string_view bytes) {
    auto& file = files[name];
    if (!file.is_open()) {
        fs::create_directories(path.parent_path());
        file.open(path, std::ios::binary | std::ios::trunc);
    }
    file << bytes << std::flush;
    if (!file)
        throw failure(exit_environment, fmt::format("cannot write {}: is the disk full?", path.string()));
}

} // namespace

run_record::run_record(fs::path out, const scenario& what) : out_(std::move(out)), what_(what) {
    std::error_code error;
    fs::create_directories(out_, error);
    lock_ = error ? -1 : ::open((out_ / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock_ < 0)
        throw failure(exit_environment, fmt::format("cannot write to {}", out_.string()));
    if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
        ::close(lock_);
        throw failure(exit_environment,
                      fmt::format("another run is using {}; wait for it or choose another folder with --out",
                                  out_.string()));
    }
    for (const auto* name :
         {"consoles", "logs", "results", "collected", "status.json", "qemu.log", "strip.log"})
        fs::remove_all(out_ / name, error);
    remove_makings(); // of a run that was killed
}

void run_record::remove_makings() const noexcept {
    std::error_code ignored;
    for (const auto* name : {"initramfs", "guest-overlay.cpio", "programs"})
        fs::remove_all(out_ / name, ignored);
}

run_record::~run_record() {
    std::error_code ignored;
    fs::remove_all(out_ / "collected", ignored);
    ::close(lock_);
}

bool run_record::console(const std::string& name, std::string_view bytes) {
    auto found = consoles_.find(name);
    if (found == consoles_.end()) {
        fs::create_directories(out_ / "consoles");
        found =
            consoles_
                .emplace(name,
                         console_file{std::ofstream(out_ / "consoles" / (name + ".log"), std::ios::binary),
                                      console_scanner(what_.expect_console)})
                .first;
    }
    auto& [file, scanner] = found->second;
    file << bytes << std::flush;
    if (!file)
        throw failure(exit_environment,
                      fmt::format("cannot write {}: is the disk full?", (out_ / "consoles").string()));
    scanner.feed(bytes);
    return scanner.halted();
}

void run_record::log(const std::string& name, std::string_view bytes) {
    append(logs_, out_ / "logs" / (name + ".log"), name, bytes);
}

asio::awaitable<void> run_record::archive(std::string name, std::string bytes) {
    const auto folder = out_ / "collected" / name;
    const auto tar = out_ / "collected" / (name + ".tar");
    if (!bytes.empty()) {
        append(archives_, tar, name, bytes);
        co_return;
    }
    archives_.erase(name);
    fs::create_directories(folder);
    const command unpack{.argv = {"tar", "-C", folder.string(), "--no-same-owner", "-xf", tar.string()}};
    co_await run_logged(unpack, out_ / "collected" / "tar.log", "unpacking the results of " + name);
    if (fs::exists(folder / "results")) {
        fs::create_directories(out_ / "results");
        fs::rename(folder / "results", out_ / "results" / name);
    }
    if (fs::exists(folder / "testbed/log") && name != "dom0") {
        fs::create_directories(out_ / "logs");
        fs::rename(folder / "testbed/log", out_ / "logs" / (name + ".log"));
    }
    fs::remove_all(folder);
    fs::remove(tar);
}

void run_record::guest_died(const std::string& name) {
    dead_.push_back(name);
}

bool run_record::judged(const std::string& name) const {
    return what_.wait_for.empty() ||
           std::find(what_.wait_for.begin(), what_.wait_for.end(), name) != what_.wait_for.end();
}

std::string run_record::telling_lines(const fs::path& file) const {
    std::ifstream in(file);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    const auto tail = lines.size() - std::min(lines.size(), shown_lines);
    auto text = fmt::format("\n  {}:", file.string());
    std::size_t failures = 0;
    std::size_t told = 0; // lines that are there or in `text`
    for (std::size_t i = 0; i < tail && failures < shown_lines; ++i) {
        const bool check = lines[i].ends_with(check_mark);
        if (!check && !lines[i].starts_with(failure_mark))
            continue;
        ++failures;
        for (told = std::max(told, i); told < std::min(tail, i + 1 + (check ? check_lines : 0)); ++told)
            text += fmt::format("\n    {}: {}", told + 1, lines[told]);
    }
    if (failures != 0)
        text += "\n    ...";
    for (auto i = tail; i < lines.size(); ++i)
        text += "\n    " + lines[i];
    return lines.empty() ? "" : text;
}

void run_record::judge_script(const std::string& name) {
    const auto found = statuses_.find(name);
    if (found == statuses_.end() || found->second == "0" || !judged(name))
        return;
    auto what = "ended with exit status " + found->second;
    if (found->second.starts_with("signal"))
        what = "was killed by " + found->second;
    else if (found->second == "killed")
        what = "was still running at the end";
    fail(fmt::format("the script of {} {}{}", name, what, telling_lines(out_ / "logs" / (name + ".log"))));
}

// A guest that died could not deliver its log: the console has a copy.
void run_record::save_log_of_dead(const std::string& name) {
    const auto log = out_ / "logs" / (name + ".log");
    const auto console = out_ / "consoles" / (name + ".log");
    if (fs::exists(log) || !fs::exists(console))
        return;
    const auto text = read_file(console);
    const auto mark = text.find(script_mark);
    if (mark == std::string::npos)
        return;
    fs::create_directories(log.parent_path());
    write_file(log, std::string_view(text).substr(text.find('\n', mark) + 1));
}

bool run_record::conclude(json::object details) {
    std::vector<std::string> earlier;
    std::swap(earlier, reasons_); // scripts first: they say most
    judge_script("dom0");
    for (const auto& guest : what_.guests) {
        const auto& name = guest.plan.name;
        if (guest.plan.has_script)
            save_log_of_dead(name);
        judge_script(name);
        const bool died = std::find(dead_.begin(), dead_.end(), name) != dead_.end();
        if (died && !guest.plan.may_die && !statuses_.contains(name))
            fail(fmt::format("guest {} died{}", name, telling_lines(out_ / "consoles" / (name + ".log"))));
    }
    reasons_.insert(reasons_.end(), earlier.begin(), earlier.end());
    for (auto& [name, console] : consoles_) {
        console.scanner.finish();
        for (const auto& report : console.scanner.reports()) {
            auto text = fmt::format("{}:{}: the kernel or Xen reports",
                                    (out_ / "consoles" / (name + ".log")).string(), report.line);
            for (const auto& line : report.lines)
                text += "\n    " + line;
            fail(std::move(text));
        }
    }
    const bool passed = reasons_.empty();
    details["passed"] = passed;
    details["scripts"] = json::value_from(statuses_);
    details["died"] = json::value_from(dead_);
    details["reasons"] = json::value_from(reasons_);
    write_file(out_ / "status.json", json::serialize(details) + "\n");
    return passed;
}

} // namespace xvsock::testbed
