// SPDX-License-Identifier: MIT
#include "host/qemu.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "common/child_process.hpp"

#include "host/failure.hpp"
#include "host/image_cache.hpp"
#include "host/tool.hpp"

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace xvsock::testbed {

namespace {

constexpr const char* qemu = "qemu-system-x86_64";

// smap, smep: QEMU 7.2 stops a PV dom0 at its first instruction with them. xsave and what needs it: QEMU 7.2
// mixes up registers of several guests. erms, fsrm: TCG runs "rep movsb" byte by byte; without them kernels
// copy 8 bytes at a time, roughly as fast as hardware does.
constexpr const char* tcg_cpu =
    "max,smap=off,smep=off,erms=off,fsrm=off,xsave=off,xsaveopt=off,xsavec=off,xgetbv1=off,"
    "avx=off,avx2=off,f16c=off,fma=off,pku=off,mpx=off";

// A comma ends an option's value in QEMU's syntax; two stand for one.
std::string escaped(const std::string& text) {
    std::string result;
    for (const char c : text)
        result += c == ',' ? std::string(",,") : std::string(1, c);
    return result;
}

// Boots Xen with a dom0 that is none: where the processor does what Xen asks, Xen gets as far as to say so.
asio::awaitable<bool> xen_starts_on_kvm(fs::path xen) {
    using namespace asio::experimental::awaitable_operators;
    using namespace std::chrono_literals;
    constexpr auto limit = 8s; // a start takes one
    const auto executor = co_await asio::this_coro::executor;
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        throw failure(exit_environment, fmt::format("socketpair: {}", std::strerror(errno)));
    asio::posix::stream_descriptor console(executor, ends[0]);
    machine bare;
    bare.accelerator = "kvm";
    bare.memory = 512;
    bare.xen = bare.kernel = xen;
    bare.serial_fd = ends[1];
    command start{.argv = qemu_command(bare)};
    start.kept_fds.push_back(ends[1]);
    child_process process(executor, start);
    ::close(ends[1]);

    std::string text;
    asio::steady_timer timer(executor, limit);
    boost::system::error_code error;
    std::array<char, 4096> buffer;
    while (!error && text.find("Manual reset required") == std::string::npos) {
        const auto first = co_await (
            console.async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error)) ||
            timer.async_wait(asio::use_awaitable));
        if (first.index() == 1)
            break;
        text.append(buffer.data(), std::get<0>(first));
    }
    co_return text.find("Could not construct") != std::string::npos ||
        text.find("Could not set up") != std::string::npos;
}

} // namespace

std::vector<std::string> qemu_command(const machine& what) {
    std::vector<std::string> argv{qemu};
    const auto add = [&](std::initializer_list<std::string> words) { argv.insert(argv.end(), words); };
    if (what.accelerator == "kvm")
        add({"-accel", "kvm", "-cpu", "host"});
    else if (what.virtual_time)
        add({"-accel", "tcg,thread=single", "-icount", "shift=0,align=off,sleep=off", "-cpu", tcg_cpu});
    else
        add({"-accel", "tcg,thread=multi", "-cpu", tcg_cpu});
    add({"-smp", std::to_string(what.cpus), "-m", std::to_string(what.memory)});
    add({"-display", "none", "-no-reboot", "-nodefaults", "-no-user-config"});
    add({"-chardev", fmt::format("socket,id=serial,fd={}", what.serial_fd), "-serial", "chardev:serial"});
    // QEMU's memory is zero: there is nothing to scrub.
    add({"-kernel", what.xen, "-append",
         "console=com1 com1=115200,8n1 noreboot=1 bootscrub=0 " + what.xen_args});
    if (what.channel_fd >= 0) {
        add({"-device", "virtio-serial-pci", "-chardev",
             fmt::format("socket,id=channel,fd={}", what.channel_fd)});
        add({"-device", "virtserialport,chardev=channel,name=testbed"});
    }
    if (!what.monitor.empty())
        add({"-qmp", fmt::format("unix:{},server=on,wait=off", escaped(what.monitor))});
    auto modules = fmt::format("{} {}", escaped(what.kernel), escaped(what.kernel_args));
    if (!what.initramfs.empty())
        modules += "," + escaped(what.initramfs);
    add({"-initrd", modules});
    return argv;
}

asio::awaitable<accelerator_choice> probe_accelerator(fs::path xen, fs::path cache) {
    const int device = ::open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (device < 0)
        co_return accelerator_choice{"tcg", fmt::format("/dev/kvm: {}", std::strerror(errno))};
    ::close(device);

    command ask;
    ask.argv = word_list(qemu, "--version");
    const auto version = (co_await capture(std::move(ask))).output;
    const auto key = cache_key("kvm", read_file("/proc/sys/kernel/random/boot_id") + version + xen.string());
    const auto answer_file = cache / "accelerator";
    std::string answer = fs::exists(answer_file) ? read_file(answer_file) : "";
    if (!answer.starts_with(key)) {
        answer = key + (co_await xen_starts_on_kvm(xen) ? " yes" : " no");
        write_file(answer_file, answer);
    }
    if (answer.ends_with(" yes"))
        co_return accelerator_choice{"kvm", "Xen runs on /dev/kvm"};
    co_return accelerator_choice{"tcg", "there is a /dev/kvm, but Xen does not start on it"};
}

} // namespace xvsock::testbed
