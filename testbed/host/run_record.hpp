// SPDX-License-Identifier: MIT
// What is known about a run: files in the output folder, statuses, and the reasons why it failed.
#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include "host/console_scan.hpp"
#include "host/scenario.hpp"

namespace xvsock::testbed {

/// Collects what comes out of a run into OUT/consoles, OUT/logs, OUT/results and OUT/status.json.
class run_record {
public:
    /// Empties the folder. Throws failure when it cannot be written or another run uses it.
    run_record(std::filesystem::path out, const scenario& what);
    run_record(const run_record&) = delete;
    run_record& operator=(const run_record&) = delete;
    ~run_record();

    /// Removes what a run is made from: the initramfs, and what is on the way to it.
    void remove_makings() const noexcept;

    /// Adds to consoles/NAME.log and scans it. True when that console's kernel has halted.
    bool console(const std::string& name, std::string_view bytes);
    /// Adds to logs/NAME.log.
    void log(const std::string& name, std::string_view bytes);
    /// Adds to NAME's archive; an empty piece ends it, and it is unpacked.
    boost::asio::awaitable<void> archive(std::string name, std::string bytes);

    void script_ended(const std::string& name, const std::string& status) { statuses_[name] = status; }
    void guest_died(const std::string& name);
    /// Adds a reason for failure.
    void fail(std::string reason) { reasons_.push_back(std::move(reason)); }

    /// Judges the run, writes status.json with these details and returns whether it passed.
    bool conclude(boost::json::object details);
    /// Why it failed, each with the lines that show it.
    [[nodiscard]] const std::vector<std::string>& reasons() const { return reasons_; }
    [[nodiscard]] const std::filesystem::path& out() const { return out_; }

private:
    struct console_file {
        std::ofstream file;
        console_scanner scanner;
    };
    [[nodiscard]] bool judged(const std::string& name) const;
    void judge_script(const std::string& name);
    void save_log_of_dead(const std::string& name);
    /// The last lines, and before them those that say what failed.
    [[nodiscard]] std::string telling_lines(const std::filesystem::path& file) const;

    std::filesystem::path out_;
    const scenario& what_;
    int lock_ = -1;
    std::map<std::string, console_file> consoles_;
    std::map<std::string, std::ofstream> logs_;
    std::map<std::string, std::ofstream> archives_;
    std::map<std::string, std::string> statuses_;
    std::vector<std::string> dead_;
    std::vector<std::string> reasons_;
};

} // namespace xvsock::testbed
