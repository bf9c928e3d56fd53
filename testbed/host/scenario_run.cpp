// SPDX-License-Identifier: MIT
#include "host/scenario_run.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <optional>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>
#include <fmt/format.h>

#include "common/child_process.hpp"
#include "common/frames.hpp"
#include "host/console_switch.hpp"
#include "host/debug_kernel.hpp"
#include "host/failure.hpp"
#include "host/images.hpp"
#include "host/initramfs.hpp"
#include "host/qemu.hpp"
#include "host/run_record.hpp"
#include "host/tool.hpp"

namespace asio = boost::asio;
namespace fs = std::filesystem;
namespace json = boost::json;

namespace xvsock::testbed {

namespace {

using namespace std::chrono_literals;

constexpr auto power_off_limit = 30s; // from "finished" to QEMU's end
constexpr auto last_words_limit = 3s; // after a panic: time for the trace
constexpr auto collect_limit = 20s;   // after the time limit: time to fetch the logs
constexpr int xen_memory = 256;       // MiB for the hypervisor and each guest's page tables

// One end for us, one for QEMU.
struct socket_pair {
    explicit socket_pair(const asio::any_io_executor& executor) : ours(executor) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
            throw failure(exit_environment, fmt::format("socketpair: {}", std::strerror(errno)));
        ours.assign(ends[0]);
        theirs = ends[1];
    }
    socket_pair(const socket_pair&) = delete;
    socket_pair& operator=(const socket_pair&) = delete;
    ~socket_pair() { close_theirs(); }
    void close_theirs() {
        if (theirs >= 0)
            ::close(theirs);
        theirs = -1;
    }

    asio::posix::stream_descriptor ours;
    int theirs = -1;
};

struct open_file {
    open_file(const fs::path& path, int how) : fd(::open(path.c_str(), how | O_CLOEXEC, 0644)) {
        if (fd < 0)
            throw failure(exit_environment,
                          fmt::format("cannot open {}: {}", path.string(), std::strerror(errno)));
    }
    open_file(const open_file&) = delete;
    open_file& operator=(const open_file&) = delete;
    ~open_file() { ::close(fd); }

    int fd;
};

run_plan make_plan(const scenario& what, const run_options& options, const std::string& accelerator) {
    run_plan plan;
    plan.mode = options.virtual_time ? "virtual" : "wall";
    plan.accelerator = accelerator;
    plan.module = what.module;
    plan.module_options = what.module_options;
    plan.debug_kernel = what.kernel == debug_kernel;
    plan.slowness = plan.debug_kernel ? debug_kernel_slowness : 1;
    plan.interactive = options.interactive;
    plan.dom0_script = !what.dom0_script.empty();
    plan.dom0_systemd = what.dom0_systemd;
    for (const auto& guest : what.guests)
        plan.guests.push_back(guest.plan);
    plan.links = what.links;
    plan.environment = what.environment;
    plan.wait_for = what.wait_for;
    return plan;
}

void require_built(const fs::path& file) {
    if (!fs::exists(file))
        throw failure(exit_environment,
                      fmt::format("{} is not built; build the project or give --artifacts", file.string()));
}

std::vector<fs::path> programs(const run_options& options, const scenario& what) {
    std::vector<fs::path> found;
    const auto folder = options.artifacts / "bin";
    for (const auto* name : {"testbed-agent", "xvsock", "xvsock-peer", "xvsockd"})
        if (fs::exists(folder / name))
            found.push_back(folder / name);
    require_built(folder / "testbed-agent");
    if (!what.links.empty())
        require_built(folder / "xvsock-peer");
    for (const auto& name : what.programs) {
        require_built(folder / name);
        found.push_back(folder / name);
    }
    return found;
}

std::vector<fs::path> dom0_artifacts(const run_options& options, const scenario& what) {
    std::vector<fs::path> found;
    for (const auto& name : what.dom0_artifacts) {
        found.push_back(options.artifacts / name);
        require_built(found.back());
    }
    return found;
}

class scenario_run {
public:
    scenario_run(scenario what, run_options options, progress tell, const asio::any_io_executor& executor)
        : what_(std::move(what)), options_(std::move(options)), tell_(tell), executor_(executor),
          record_(options_.out, what_), stop_(executor),
          started_(executor, asio::steady_timer::time_point::max()) {}

    scenario_run(const scenario_run&) = delete;
    scenario_run& operator=(const scenario_run&) = delete;
    ~scenario_run() {
        if (!options_.keep)
            record_.remove_makings();
    }

    asio::awaitable<bool> run() {
        require_program("qemu-system-x86_64", "qemu-system-x86");
        auto boot = co_await prepare();
        co_await boot_and_watch(std::move(boot));
        const bool passed = record_.conclude({{"scenario", what_.folder.string()},
                                              {"suite", what_.suite},
                                              {"kernel", kernel_release_},
                                              {"accelerator", accelerator_},
                                              {"mode", options_.virtual_time ? "virtual" : "wall"},
                                              {"seconds", tell_.seconds()},
                                              {"times", times_}});
        print_reasons();
        tell_.say(fmt::format("{}: {} ({}, {} time); see {}", passed ? "passed" : "FAILED",
                              what_.folder.string(), accelerator_,
                              options_.virtual_time ? "virtual" : "wall-clock", record_.out().string()));
        co_return passed;
    }

private:
    void print_reasons() const {
        constexpr std::size_t most = 8; // the first ones say most; 16 guests can have many
        const auto& reasons = record_.reasons();
        for (std::size_t i = 0; i < std::min(most, reasons.size()); ++i)
            fmt::print("FAILED: {}\n", reasons[i]);
        if (reasons.size() > most)
            fmt::print("and {} more reasons, in {}\n", reasons.size() - most,
                       (record_.out() / "status.json").string());
    }

    asio::awaitable<machine> prepare() {
        image_cache cache(options_.cache, [this](const std::string& text) { tell_.say(text); });
        cache.set_refresh(options_.refresh);
        const auto images = co_await obtain_images(what_, cache, tell_);
        kernel_release_ = images.kernel_release;
        co_await choose_accelerator(images, cache);
        require_program("strip", "binutils");
        fs::create_directories(record_.out() / "programs");
        auto found = programs(options_, what_);
        for (auto& program : found)
            program = co_await stripped(program, "--strip-all");
        overlay extra{
            what_, make_plan(what_, options_, accelerator_), found, {}, dom0_artifacts(options_, what_)};
        if (what_.module)
            extra.module = co_await stripped(module_file(), "--strip-debug");
        machine boot;
        boot.initramfs = compose_initramfs(images, extra, record_.out());
        fs::remove_all(record_.out() / "programs");
        boot.accelerator = accelerator_;
        boot.virtual_time = options_.virtual_time;
        boot.monitor = options_.monitor;
        boot.cpus = what_.cpus;
        boot.memory = what_.dom0_memory + xen_memory;
        for (const auto& guest : what_.guests)
            boot.memory += guest.plan.memory + 8;
        boot.xen = images.xen;
        boot.kernel = images.vmlinux;
        boot.xen_args =
            fmt::format("dom0_mem={0}M,max:{0}M dom0_max_vcpus={1} loglvl=all guest_loglvl=all {2}",
                        what_.dom0_memory, what_.dom0_vcpus, what_.xen_args);
        boot.kernel_args = fmt::format("{} {}", kernel_parameters, what_.kernel_args);
        co_return boot;
    }

    // Stays when one has failed.
    [[nodiscard]] fs::path strip_log() const { return record_.out() / "strip.log"; }

    // A copy without what is for debuggers, which every guest would unpack and hold in its memory.
    asio::awaitable<fs::path> stripped(fs::path file, std::string how) {
        auto target = record_.out() / "programs" / file.filename();
        command tool;
        tool.argv = word_list("strip", how, "-o", target.string(), file.string());
        co_await run_logged(std::move(tool), strip_log(), "strip " + file.string());
        fs::remove(strip_log());
        co_return target;
    }

    asio::awaitable<void> choose_accelerator(const boot_images& images, const image_cache& cache) {
        accelerator_choice choice{options_.accelerator, "as asked"};
        if (options_.virtual_time)
            choice = {"tcg", "virtual time needs it"};
        else if (choice.name == "auto")
            choice = co_await probe_accelerator(images.xen, cache.root());
        accelerator_ = choice.name;
        tell_.say(fmt::format("accelerator: {} ({})", choice.name, choice.reason));
    }

    [[nodiscard]] fs::path module_file() const {
        auto file = options_.artifacts / "modules" / kernel_release_ / "xen_vsock.ko";
        if (!fs::exists(file))
            throw failure(
                exit_environment,
                fmt::format("there is no module for the images' kernel: {} is missing; build it with "
                            "`xvsock-testbed module --suite {} --kernel {}`, or say \"module\": false",
                            file.string(), what_.suite, what_.kernel));
        return file;
    }

    asio::awaitable<void> boot_and_watch(machine boot) {
        using namespace asio::experimental::awaitable_operators;
        socket_pair serial(executor_);
        socket_pair channel(executor_);
        boot.serial_fd = serial.theirs;
        boot.channel_fd = channel.theirs;
        const open_file log(record_.out() / "qemu.log", O_WRONLY | O_CREAT | O_TRUNC);
        // Handed over as an open file, so that no end of this program, however sudden, leaves it behind.
        const open_file initramfs(boot.initramfs, O_RDONLY);
        if (!options_.keep)
            fs::remove(boot.initramfs);
        boot.initramfs = fmt::format("/proc/self/fd/{}", initramfs.fd);
        command start{.argv = qemu_command(boot), .stdout_fd = log.fd, .stderr_fd = log.fd};
        start.kept_fds = {serial.theirs, channel.theirs, initramfs.fd};
        child_process qemu(executor_, start);
        serial.close_theirs();
        channel.close_theirs();
        channel_ = &channel.ours;
        tell_.say(fmt::format("booting Xen and dom0 with {} guests: {} CPUs, {} MiB", what_.guests.size(),
                              boot.cpus, boot.memory));
        if (options_.interactive)
            stop_.expires_at(asio::steady_timer::time_point::max());
        else
            stop_.expires_after(std::chrono::duration_cast<std::chrono::milliseconds>(
                std::chrono::duration<double>(what_.timeout)));
        const auto ended = co_await ((end_of(qemu) && ending_run(read_serial(serial.ours)) &&
                                      ending_run(read_channel(channel.ours))) ||
                                     stopped() || ending_run(terminal(channel.ours)));
        channel_ = nullptr;
        if (problem_)
            std::rethrow_exception(problem_);
        if (ended.index() == 0 && !finished_ && !halted_) {
            const int status = std::get<0>(ended);
            auto messages = read_file(record_.out() / "qemu.log");
            record_.fail(fmt::format("QEMU ended ({}) before the run was over{}{}", describe_status(status),
                                     messages.empty() ? "" : ": ", messages));
        } else if (!finished_ && !halted_ && record_.reasons().empty()) {
            record_.fail("the run ended before its scripts had");
        } else if (halted_ && !finished_) {
            record_.fail("Xen or dom0 has halted");
        }
    }

    // What throws in one of the parts of a run ends the run; by itself it would wait for another part's end.
    asio::awaitable<void> ending_run(asio::awaitable<void> part) {
        std::exception_ptr problem;
        try {
            co_await std::move(part);
        } catch (...) {
            problem = std::current_exception();
        }
        if (!problem)
            co_return;
        const auto cancellation = co_await asio::this_coro::cancellation_state;
        if (cancellation.cancelled() != asio::cancellation_type::none)
            std::rethrow_exception(problem); // the end has already come
        problem_ = problem;
        stop_.expires_at(asio::steady_timer::clock_type::now());
    }

    static asio::awaitable<int> end_of(child_process& qemu) { co_return co_await qemu.wait(); }

    asio::awaitable<void> read_serial(asio::posix::stream_descriptor& source) {
        std::array<char, 65536> buffer;
        for (;;) {
            boost::system::error_code error;
            const auto count = co_await source.async_read_some(
                asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
            if (error)
                co_return;
            if (record_.console("host", {buffer.data(), count}) && !halted_ && !finished_) {
                halted_ = true;
                tell_.say("Xen or dom0 has halted");
                stop_.expires_after(last_words_limit);
            }
        }
    }

    asio::awaitable<void> read_channel(asio::posix::stream_descriptor& source) {
        frame_decoder decoder;
        std::vector<char> buffer(1U << 18U);
        for (;;) {
            boost::system::error_code error;
            const auto count = co_await source.async_read_some(
                asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
            if (error)
                co_return;
            decoder.feed({buffer.data(), count});
            while (auto message = decoder.next())
                co_await handle(std::move(*message));
        }
    }

    void start_scripts() {
        tell_.say(options_.interactive ? "consoles are open" : "scripts started");
        started_.cancel();
    }

    // The person's terminal, once the guests are up. Returns only when an interactive run has nobody any
    // more.
    asio::awaitable<void> terminal(asio::posix::stream_descriptor& channel) {
        boost::system::error_code error;
        co_await started_.async_wait(asio::redirect_error(asio::use_awaitable, error));
        const auto cancelled = co_await asio::this_coro::cancellation_state;
        if (cancelled.cancelled() != asio::cancellation_type::none)
            throw boost::system::system_error(error);
        if (options_.interactive) {
            std::vector<std::string> names{"dom0"};
            for (const auto& guest : what_.guests)
                names.push_back(guest.plan.name);
            switch_.emplace(executor_, std::move(names));
            const console_switch::typist type = [&channel](std::string name,
                                                           std::string bytes) -> asio::awaitable<void> {
                const auto message = encode({frame_kind::input, std::move(name), std::move(bytes)});
                co_await asio::async_write(channel, asio::buffer(message), asio::use_awaitable);
            };
            co_await switch_->run(type);
            switch_.reset();
            const auto request = encode({frame_kind::command, "quit", ""});
            co_await asio::async_write(channel, asio::buffer(request), asio::use_awaitable);
        }
        asio::steady_timer never(executor_, asio::steady_timer::time_point::max());
        co_await never.async_wait(asio::use_awaitable);
    }

    asio::awaitable<void> handle(frame message) {
        switch (message.kind) {
        case frame_kind::event:
            on_event(json::parse(message.payload).as_object());
            break;
        case frame_kind::console:
            record_.console(message.name, message.payload);
            if (switch_)
                switch_->show(message.name, message.payload);
            break;
        case frame_kind::log:
            record_.log(message.name, message.payload);
            break;
        case frame_kind::archive:
            co_await record_.archive(message.name, message.payload);
            break;
        default:
            break;
        }
    }

    void on_event(const json::object& event) {
        const auto text = [&](const char* key) {
            const auto* value = event.if_contains(key);
            return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                          : std::string("?");
        };
        const auto seconds = [&] { return rounded(event.at("seconds").to_number<double>()); };
        const auto kind = text("event");
        const auto name = text("name");
        if (kind == "dom0_up")
            tell_.say("dom0 is up");
        else if (kind == "module_loaded")
            tell_.say(fmt::format("module loaded in {}", name));
        else if (kind == "guest_created") {
            times_guest(name)["created"] = seconds();
            tell_.say(fmt::format("guest {} created (domid {}) in {:.1f} s", name,
                                  json::serialize(event.at("domid")), seconds()));
        } else if (kind == "guest_up") {
            times_guest(name)["up"] = seconds();
            tell_.say(fmt::format("guest {} is up, {:.1f} s after its creation began", name, seconds()));
        } else if (kind == "guests_up") {
            const auto each = rounded(seconds() / event.at("count").to_number<double>());
            times_["guests_up"] = seconds();
            times_["each_guest"] = each;
            tell_.say(fmt::format("all guests are up, {:.1f} s each", each));
        } else if (kind == "linked") {
            times_["linked"] = seconds();
            tell_.say(fmt::format("{} links are connected, after {:.1f} s",
                                  json::serialize(event.at("count")), seconds()));
        } else if (kind == "scripts_started")
            start_scripts();
        else if (kind == "said")
            tell_.say(text("text"));
        else if (kind == "collecting")
            tell_.say("collecting results");
        else if (kind == "guest_died") {
            tell_.say(fmt::format("guest {} died", name));
            record_.guest_died(name);
        } else if (kind == "script_ended") {
            tell_.say(fmt::format("script of {} ended: {}", name, text("status")));
            record_.script_ended(name, text("status"));
        } else if (kind == "failed") {
            record_.fail(text("message"));
        } else if (kind == "finished") {
            tell_.say("powering off");
            finished_ = true;
            stop_.expires_after(power_off_limit * slowness());
        }
    }

    [[nodiscard]] int slowness() const { return what_.kernel == debug_kernel ? debug_kernel_slowness : 1; }

    static double rounded(double seconds) { return std::round(seconds * 100) / 100; }

    json::object& times_guest(const std::string& name) {
        auto& guests = times_["guests"];
        if (!guests.is_object())
            guests.emplace_object();
        auto& guest = guests.get_object()[name];
        return guest.is_object() ? guest.get_object() : guest.emplace_object();
    }

    // Returns when the run has to be ended from here.
    asio::awaitable<void> stopped() {
        for (bool collecting = false;;) {
            boost::system::error_code error;
            const auto end = stop_.expiry();
            co_await stop_.async_wait(asio::redirect_error(asio::use_awaitable, error));
            if (stop_.expiry() != end)
                continue; // moved
            if (error)
                throw boost::system::system_error(error);
            if (problem_)
                co_return;
            if (finished_) {
                tell_.say("the machine does not power off; stopping QEMU");
                co_return;
            }
            if (halted_ || collecting)
                co_return;
            tell_.say(fmt::format("the time limit of {} s is over; fetching the logs", what_.timeout));
            record_.fail(fmt::format("not over within the time limit of {} s", what_.timeout));
            collecting = true;
            stop_.expires_after(collect_limit * slowness());
            const auto request = encode({frame_kind::command, "collect", ""});
            if (channel_ != nullptr)
                co_await asio::async_write(*channel_, asio::buffer(request), asio::use_awaitable);
        }
    }

    scenario what_;
    run_options options_;
    progress tell_;
    asio::any_io_executor executor_;
    run_record record_;
    asio::steady_timer stop_;
    asio::steady_timer started_;
    std::exception_ptr problem_; // what this program could not do, and what ends the run therefore
    std::optional<console_switch> switch_;
    asio::posix::stream_descriptor* channel_ = nullptr;
    std::string kernel_release_;
    std::string accelerator_;
    json::object times_; // in seconds of dom0's clock
    bool finished_ = false;
    bool halted_ = false;
};

} // namespace

asio::awaitable<bool> run_scenario(scenario what, run_options options, progress tell) {
    scenario_run run(std::move(what), std::move(options), tell, co_await asio::this_coro::executor);
    co_return co_await run.run();
}

} // namespace xvsock::testbed
