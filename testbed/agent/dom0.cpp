// SPDX-License-Identifier: MIT
// The agent's part in dom0: it conducts the run and tells the outside what happens.
//
// Events: dom0_up, module_loaded{name}, guest_created{name,domid,seconds}, guest_up{name,seconds},
// guests_up{count,seconds}, guest_died{name}, linked{count,seconds}, scripts_started, said{text},
// script_ended{name,status}, collecting, failed{message}, finished.
#include "agent/roles.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <set>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "agent/collect.hpp"
#include "agent/console_follow.hpp"
#include "agent/leaks.hpp"
#include "agent/outside.hpp"
#include "agent/script.hpp"
#include "agent/services.hpp"
#include "agent/system.hpp"
#include "agent/terminal.hpp"
#include "agent/tool.hpp"

namespace asio = boost::asio;

namespace xvsock::testbed {

namespace {

using namespace std::chrono_literals;

constexpr auto up_limit = 120s;     // from creation to the guest's agent; TCG with 16 guests needs 30
constexpr auto link_limit = 60s;    // from xenstore nodes to both ends Connected, and for each link
constexpr auto more_for_link = 1s;  // that much more: sixteen guests have 136, and 120 ends a processor
constexpr auto collect_limit = 60s; // for all guests to deliver their results
constexpr const char* console_folder = "/var/log/xen/console";
constexpr const char* scripts_node = "/testbed/scripts";
constexpr const char* said_node = "/testbed/said";
constexpr const char* release_watch = "@releaseDomain";

class conductor {
public:
    explicit conductor(const asio::any_io_executor& executor)
        : executor_(executor), plan_(load_plan()), xenstore_(executor), outside_(executor),
          script_(executor, [this](std::string_view text) { on_script_output(text); }),
          terminals_(executor, [this](const std::string& name, std::string_view text) {
              outside_.send({frame_kind::console, name, std::string(text)});
          }) {}

    asio::awaitable<void> run() {
        asio::co_spawn(executor_, outside_.write_loop(), asio::detached);
        asio::co_spawn(executor_, outside_.read_loop([this](const frame& message) { on_frame(message); }),
                       asio::detached);
        asio::co_spawn(executor_,
                       follow_consoles(console_folder,
                                       [this](const std::string& name, std::string_view text) {
                                           outside_.send({frame_kind::console, name, std::string(text)});
                                       }),
                       asio::detached);
        outside_.event("dom0_up");
        std::string problem;
        try {
            co_await prepare();
            co_await run_scripts();
        } catch (const std::exception& error) {
            problem = error.what();
        }
        if (!problem.empty())
            outside_.event("failed", {{"message", problem}});
        co_await collect();
        outside_.event("finished");
        co_await outside_.drained();
    }

private:
    struct guest_state {
        int domid = -1;
        std::chrono::steady_clock::time_point begun; // its creation
        bool up = false;
        bool died = false;
        std::string status;
        std::string delivered;
    };

    asio::awaitable<void> prepare() {
        xenstore_.write("/testbed", "");
        xenstore_.open_to_all("/testbed"); // first: nodes below inherit it when they are made
        // All by dom0: what a guest owns is removed with all below it when that guest dies.
        for (const char* node : {"/testbed/phase", "/testbed/signals", scripts_node, said_node})
            xenstore_.write(node, "");
        xenstore_.watch(scripts_node);
        xenstore_.watch(said_node);
        xenstore_.watch(release_watch);
        collector_.emplace(executor_, outside_);
        asio::co_spawn(executor_, collector_->serve(), asio::detached);
        if (plan_.module) {
            if (const auto problem = load_xen_vsock(plan_.module_options); !problem.empty())
                throw std::runtime_error("dom0: " + problem);
            outside_.event("module_loaded", {{"name", "dom0"}});
        }
        if (plan_.dom0_systemd)
            let_systemd_be_init();
        const auto begun = std::chrono::steady_clock::now();
        for (std::size_t i = 0; i < plan_.guests.size(); ++i) {
            co_await create(i);
            refuse_dead();
        }
        co_await until(up_limit, "did not come up",
                       [](const guest_state& guest) { return guest.up || guest.died; });
        refuse_dead();
        for (const auto& [name, guest] : guests_) {
            if (const auto error = xenstore_.read("/testbed/scripts/" + name + "/error"))
                throw std::runtime_error(fmt::format("guest {}: {}", name, *error));
        }
        outside_.event("guests_up", {{"count", guests_.size()}, {"seconds", seconds_since(begun)}});
        co_await make_links();
    }

    // Without one of its guests a run need not go on.
    void refuse_dead() const {
        for (const auto& [name, guest] : guests_)
            if (guest.died)
                throw std::runtime_error(fmt::format("guest {} died before the scripts started", name));
    }

    asio::awaitable<void> create(std::size_t index) {
        const auto& guest = plan_.guests[index];
        const std::string path = fmt::format("/testbed/{}.cfg", guest.name);
        std::ofstream file(path);
        file << fmt::format("name = \"{0}\"\ntype = \"pv\"\nvcpus = {1}\nmemory = {2}\nmaxmem = {2}\n"
                            "kernel = \"/testbed/guest-vmlinux\"\nramdisk = \"/testbed/guest-initrd\"\n"
                            "extra = \"{5} tb.name={0} tb.ip={3} {4}\"\n"
                            "vif = [ \"bridge=br0,script=vif-testbed\" ]\n"
                            "on_crash = \"destroy\"\non_reboot = \"destroy\"\n",
                            guest.name, guest.vcpus, guest.memory, guest_address(index),
                            guest.kernel_args + (guest.systemd ? " systemd.hostname=" + guest.name : ""),
                            kernel_parameters);
        for (const auto& line : guest.extra_config)
            file << line << '\n';
        file.close();
        const auto begun = std::chrono::steady_clock::now();
        const auto result = co_await run_tool(word_list("xl", "create", "-q", path));
        if (result.status != 0)
            throw std::runtime_error(fmt::format("xl cannot create {}: {}", guest.name, result.output));
        auto& state = guests_[guest.name];
        state.begun = begun;
        state.domid = domid_named(guest.name);
        xenstore_.write("/testbed/domid/" + guest.name, std::to_string(state.domid));
        outside_.event("guest_created",
                       {{"name", guest.name}, {"domid", state.domid}, {"seconds", seconds_since(begun)}});
        refresh(xenstore_.changes());
        note_guest(guest.name, state); // what it did before its name was known here
        note_death(guest.name, state);
    }

    int domid_named(const std::string& name) {
        auto domids = xenstore_.children("/local/domain");
        std::reverse(domids.begin(), domids.end()); // mostly the newest is the last
        for (const auto& domid : domids)
            if (xenstore_.read(fmt::format("/local/domain/{}/name", domid)) == name)
                return std::stoi(domid);
        throw std::runtime_error(fmt::format("guest {} is gone right after its creation", name));
    }

    // Takes over what has changed, and tells what is new. Only that is read: with many guests most changes
    // concern one of them.
    void refresh(const std::vector<std::string>& changed) {
        for (const auto& path : changed) {
            if (path == release_watch) {
                for (auto& [name, guest] : guests_)
                    note_death(name, guest);
            } else if (path.starts_with(said_node)) {
                pass_on_said();
            } else if (path.starts_with(scripts_node)) {
                const auto name = name_in(path);
                if (name == "dom0")
                    note_status(name, dom0_status_);
                else if (const auto found = guests_.find(name); found != guests_.end())
                    note_guest(name, found->second);
            }
        }
    }

    // "g1" in "/testbed/scripts/g1/up"
    static std::string name_in(const std::string& path) {
        const auto start = std::string_view(scripts_node).size() + 1;
        return path.size() <= start ? "" : path.substr(start, path.find('/', start) - start);
    }

    void note_guest(const std::string& name, guest_state& guest) {
        const std::string node = fmt::format("{}/{}", scripts_node, name);
        if (!guest.up && xenstore_.read(node + "/up")) {
            guest.up = true;
            outside_.event("guest_up", {{"name", name}, {"seconds", seconds_since(guest.begun)}});
        }
        if (guest.delivered.empty())
            guest.delivered = xenstore_.read(node + "/done").value_or("");
        note_status(name, guest.status);
    }

    void note_death(const std::string& name, guest_state& guest) {
        if (guest.died || xenstore_.alive(static_cast<unsigned>(guest.domid)))
            return;
        guest.died = true;
        outside_.event("guest_died", {{"name", name}});
    }

    static double seconds_since(std::chrono::steady_clock::time_point begun) {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    }

    // What scripts said since the last look, in order.
    void pass_on_said() {
        auto names = xenstore_.children(said_node);
        std::sort(names.begin(), names.end());
        for (const auto& name : names) {
            const std::string path = fmt::format("{}/{}", said_node, name);
            outside_.event("said", {{"text", xenstore_.read(path).value_or("")}});
            xenstore_.remove(path);
        }
    }

    void note_status(const std::string& name, std::string& status) {
        if (!status.empty())
            return;
        status = xenstore_.read(fmt::format("{}/{}/status", scripts_node, name)).value_or("");
        if (!status.empty())
            outside_.event("script_ended", {{"name", name}, {"status", status}});
    }

    // Waits until the condition holds for every guest.
    template <typename Condition>
    asio::awaitable<void> until(std::chrono::seconds limit, const char* otherwise, Condition condition) {
        limit *= plan_.slowness;
        const auto end = std::chrono::steady_clock::now() + limit;
        refresh(xenstore_.changes());
        for (;;) {
            std::string missing;
            for (const auto& [name, guest] : guests_)
                missing += condition(guest) ? "" : " " + name;
            if (missing.empty())
                co_return;
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
            if (left <= 0ms)
                throw std::runtime_error(fmt::format("{} within {} s:{}", otherwise, limit.count(), missing));
            refresh(co_await xenstore_.changed(left));
        }
    }

    asio::awaitable<void> make_links() {
        if (plan_.links.empty())
            co_return;
        const auto begun = std::chrono::steady_clock::now();
        auto add = word_list("xvsock-peer", "add");
        std::vector<std::string> states;
        for (const auto& [a, b] : plan_.links) {
            add.insert(add.end(), {domid_text(a), domid_text(b)});
            const int older = std::min(domid(a), domid(b));
            const int younger = std::max(domid(a), domid(b));
            states.push_back(fmt::format("/local/domain/{}/device/vsock/{}/state", younger, older));
            states.push_back(
                fmt::format("/local/domain/{}/backend/vsock/{}/{}/state", older, younger, older));
        }
        const auto result = co_await run_tool(add);
        if (result.status != 0)
            throw std::runtime_error(fmt::format("cannot make the links: {}", result.output));
        if (plan_.module)
            co_await all_connected(states);
        outside_.event("linked", {{"count", plan_.links.size()}, {"seconds", seconds_since(begun)}});
    }

    asio::awaitable<void> all_connected(std::vector<std::string> states) {
        store links(executor_); // its end takes the watches along
        for (const auto& path : states)
            links.watch(path);
        std::map<std::string, std::string> missing;
        for (const auto& path : states)
            missing[path] = "unknown";
        const auto limit = (link_limit + more_for_link * plan_.links.size()) * plan_.slowness;
        const auto end = std::chrono::steady_clock::now() + limit;
        while (!missing.empty()) {
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
            if (left <= 0ms) {
                refresh(xenstore_.changes());
                refuse_dead(); // says more
                throw std::runtime_error(fmt::format(
                    "{} halves of links are not connected (state 4) within {} s, as {} = {}", missing.size(),
                    limit.count(), missing.begin()->first, missing.begin()->second));
            }
            for (const auto& path : co_await links.changed(left)) {
                const auto state = links.read(path).value_or("nothing");
                if (state == "4")
                    missing.erase(path);
                else
                    missing[path] = state; // also one that was connected
            }
        }
    }

    asio::awaitable<void> run_scripts() {
        xenstore_.write("/testbed/phase", "run");
        outside_.event("scripts_started");
        if (plan_.dom0_script)
            asio::co_spawn(executor_, script_.run("dom0", script_environment(plan_, xenstore_, "dom0")),
                           [this](const std::exception_ptr& error, const std::string& status) {
                               xenstore_.write("/testbed/scripts/dom0/status", error ? "127" : status);
                           });
        if (plan_.interactive)
            open_terminals();
        refresh(xenstore_.changes());
        while (!over())
            refresh(co_await xenstore_.changed());
    }

    // For a person: a shell here, and the consoles of the guests. The run is over when the shell ends.
    void open_terminals() {
        for (const auto& [name, guest] : guests_)
            terminals_.open_console(
                name, xenstore_.read(fmt::format("/local/domain/{}/console/tty", guest.domid)).value());
        asio::co_spawn(executor_, terminals_.run_shell("dom0", script_environment(plan_, xenstore_, "dom0")),
                       [this](const std::exception_ptr&) { stop("shell ended"); });
    }

    // Ends the run early; writing wakes whoever waits for a change.
    void stop(const std::string& why) {
        stop_ = true;
        xenstore_.write("/testbed/scripts/stop", why);
    }

    [[nodiscard]] bool ended(const std::string& name) const {
        if (name == "dom0")
            return !plan_.dom0_script || !dom0_status_.empty();
        const auto& guest = guests_.at(name);
        return guest.died || !guest.status.empty();
    }

    [[nodiscard]] bool over() const {
        if (stop_)
            return true;
        if (plan_.interactive)
            return false;
        if (!plan_.wait_for.empty())
            return std::all_of(plan_.wait_for.begin(), plan_.wait_for.end(),
                               [this](const auto& name) { return ended(name); });
        return ended("dom0") &&
               std::all_of(plan_.guests.begin(), plan_.guests.end(),
                           [this](const auto& guest) { return !guest.has_script || ended(guest.name); });
    }

    asio::awaitable<void> collect() {
        outside_.event("collecting");
        script_.kill();
        std::vector<std::string> asked;
        for (const auto& [name, guest] : guests_)
            if (!guest.died && guest.up)
                asked.push_back(name);
        try {
            xenstore_.write("/testbed/phase", "collect");
            if (plan_.debug_kernel)
                if (const auto leaks = co_await find_leaks(); !leaks.empty())
                    outside_.event("failed", {{"message", "dom0: " + leaks}});
            co_await collector_->pass_on_own();
            co_await until(collect_limit, "did not deliver its results", [](const guest_state& guest) {
                return guest.died || !guest.up || !guest.delivered.empty();
            });
            for (const auto& name : asked)
                if (const auto& delivered = guests_.at(name).delivered; delivered != "1")
                    throw std::runtime_error(fmt::format(
                        "guest {}: {}", name,
                        delivered.empty() ? "died before it had delivered its results" : delivered));
        } catch (const std::exception& error) {
            outside_.event("failed", {{"message", error.what()}});
        }
    }

    void on_script_output(std::string_view text) {
        outside_.send({frame_kind::log, "dom0", std::string(text)});
    }

    void on_frame(const frame& message) {
        if (message.kind == frame_kind::command)
            stop(message.name);
        else if (message.kind == frame_kind::input)
            terminals_.type(message.name, message.payload);
    }

    [[nodiscard]] int domid(const std::string& name) const {
        return name == "dom0" ? 0 : guests_.at(name).domid;
    }
    [[nodiscard]] std::string domid_text(const std::string& name) const {
        return std::to_string(domid(name));
    }

    asio::any_io_executor executor_;
    run_plan plan_;
    store xenstore_;
    outside outside_;
    script_run script_;
    terminals terminals_;
    std::optional<collector> collector_;
    std::map<std::string, guest_state> guests_;
    std::string dom0_status_;
    bool stop_ = false;
};

} // namespace

asio::awaitable<void> dom0_role() {
    conductor run(co_await asio::this_coro::executor);
    co_await run.run();
}

} // namespace xvsock::testbed
