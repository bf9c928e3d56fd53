// SPDX-License-Identifier: MIT
// bench-xenvchan: a ping-pong and a stream over libxenvchan alone, blocking, with rings of 256 KiB: what
// Xen's own library gives to programs, without sockets and without the module.
//   bench-xenvchan --serve DOMID                     in one domain, until the client says that it is done
//   bench-xenvchan --connect DOMID --json FILE ...   in the other
#include "perf/quantity.hpp"
#include "perf/records.hpp"

#include <boost/program_options.hpp>
#include <chrono>
#include <cstring>
#include <fmt/format.h>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

extern "C" {
#include <libxenvchan.h>
#include <xenstore.h>
}

namespace po = boost::program_options;
using namespace xvsock::perf;

namespace {

constexpr std::size_t ring = 256 * 1024;

enum class test : std::uint32_t { ping_pong, stream, end };

/// What the client asks for; the server echoes each message, or answers one byte after the last.
struct order {
    test kind;
    std::uint32_t size;
    std::uint64_t count;
};

class vchan {
public:
    explicit vchan(::libxenvchan* opened) : opened_(opened, ::libxenvchan_close) { opened_->blocking = 1; }

    void send(const void* data, std::size_t size) {
        if (::libxenvchan_write(opened_.get(), data, size) != int(size))
            throw std::runtime_error("the vchan broke while sending");
    }

    void receive(void* data, std::size_t size) {
        for (auto* at = static_cast<char*>(data); size > 0;) {
            const int got = ::libxenvchan_read(opened_.get(), at, size);
            if (got <= 0)
                throw std::runtime_error("the vchan broke while receiving");
            at += got;
            size -= std::size_t(got);
        }
    }

private:
    std::unique_ptr<::libxenvchan, void (*)(::libxenvchan*)> opened_;
};

std::string own_path(unsigned domain) {
    return fmt::format("/local/domain/{}/data/bench-xenvchan", domain);
}

unsigned own_domid() {
    const std::unique_ptr<xs_handle, void (*)(xs_handle*)> store(xs_open(0), xs_close);
    if (!store)
        throw std::runtime_error("cannot open xenstore");
    unsigned length = 0;
    const std::unique_ptr<void, void (*)(void*)> text(xs_read(store.get(), XBT_NULL, "domid", &length),
                                                      std::free);
    return text ? unsigned(std::stoul(static_cast<char*>(text.get()))) : 0;
}

void serve(int domain) {
    auto* opened = ::libxenvchan_server_init(nullptr, domain, own_path(own_domid()).c_str(), ring, ring);
    if (opened == nullptr)
        throw std::runtime_error("cannot make a vchan");
    vchan channel(opened);
    std::vector<char> message;
    for (order what{};;) {
        channel.receive(&what, sizeof what);
        if (what.kind == test::end)
            return;
        message.resize(what.size);
        for (std::uint64_t i = 0; i < what.count; ++i) {
            channel.receive(message.data(), what.size);
            if (what.kind == test::ping_pong)
                channel.send(message.data(), what.size);
        }
        if (what.kind == test::stream)
            channel.send("", 1);
    }
}

vchan connect(int domain) {
    for (int tries = 0; tries < 200; ++tries) { // until the server is there
        if (auto* opened = ::libxenvchan_client_init(nullptr, domain, own_path(unsigned(domain)).c_str()))
            return vchan(opened);
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    throw std::runtime_error("no server's vchan is there");
}

/// An echo that is compared byte by byte, outside of what is timed.
void verify(vchan& channel, std::uint32_t size) {
    const order what{test::ping_pong, size, 1};
    std::vector<char> sent(size), received(size);
    for (std::uint32_t i = 0; i < size; ++i)
        sent[i] = char(i * 2654435761u >> 13);
    channel.send(&what, sizeof what);
    channel.send(sent.data(), size);
    channel.receive(received.data(), size);
    if (sent != received)
        throw std::runtime_error(fmt::format("data corrupted at {} bytes", size));
}

/// Nanoseconds a message: half a round trip, or a stream's share until the server has all of it.
double measure(vchan& channel, const order& what) {
    std::vector<char> message(what.size, 'x');
    channel.send(&what, sizeof what);
    const auto start = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < what.count; ++i) {
        channel.send(message.data(), what.size);
        if (what.kind == test::ping_pong)
            channel.receive(message.data(), what.size);
    }
    if (what.kind == test::stream)
        channel.receive(message.data(), 1);
    const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
    return elapsed.count() / double(what.count) / (what.kind == test::ping_pong ? 2 : 1);
}

struct wanted {
    std::string latency, bandwidth, volume, mode, file;
    std::uint64_t count = 0;
};

void run_client(int domain, const wanted& options) {
    std::vector<record> records;
    const auto channel_owner = std::make_unique<vchan>(connect(domain));
    vchan& channel = *channel_owner;
    const auto add = [&](const char* metric, std::uint32_t size, double value, const char* unit) {
        fmt::print("{:>9} {:>8} {:>12.3f} {}\n", metric, size, value, unit);
        records.push_back({"libxenvchan", metric, size, value, unit, options.mode});
    };
    constexpr std::uint64_t most = 64 << 20; // in a ping-pong; large messages need fewer rounds
    for (const std::uint32_t size : parse_message_sizes(options.latency)) {
        verify(channel, size);
        const auto count = std::clamp<std::uint64_t>(most / size, 10, options.count);
        measure(channel, {test::ping_pong, size, 16});
        add("latency", size, measure(channel, {test::ping_pong, size, count}) / 1e3, "us");
    }
    for (const std::uint32_t size : parse_message_sizes(options.bandwidth)) {
        const auto count = std::clamp<std::uint64_t>(parse_size(options.volume) / size, 16, 200'000);
        add("bandwidth", size, size * 8e3 / measure(channel, {test::stream, size, count}), "Mbit/s");
    }
    const order end{test::end, 0, 0};
    channel.send(&end, sizeof end);
    write_records(options.file, records);
}

} // namespace

int main(int argc, char** argv) {
    try {
        int server = -1, client = -1;
        wanted what;
        po::options_description options("Options");
        auto add = options.add_options();
        add("serve", po::value(&server), "serve this domain");
        add("connect", po::value(&client), "measure against the server in this domain");
        add("latency", po::value(&what.latency)->default_value("1,64,1K,4K,64K,256K,1M,4M"), "sizes");
        add("bandwidth", po::value(&what.bandwidth)->default_value("64,1K,4K,64K,256K,1M,4M"), "sizes");
        add("count", po::value(&what.count)->default_value(1000), "rounds of a ping-pong, at most");
        add("volume", po::value(&what.volume)->default_value("64M"), "bytes of a stream");
        add("mode", po::value(&what.mode)->default_value("wall"), "the records' mode");
        add("json", po::value(&what.file)->default_value("xenvchan.json"), "file for the records");
        add("help", "show this help");
        po::variables_map values;
        po::store(po::parse_command_line(argc, argv, options), values);
        po::notify(values);
        if (values.count("help") || (server < 0) == (client < 0)) {
            (values.count("help") ? std::cout : std::cerr)
                << "Usage: bench-xenvchan --serve DOMID\n       bench-xenvchan --connect DOMID [OPTION...]\n"
                << options;
            return values.count("help") ? 0 : 2;
        }
        if (server >= 0)
            serve(server);
        else
            run_client(client, what);
        return 0;
    } catch (const std::exception& error) {
        fmt::print(stderr, "bench-xenvchan: {}\n", error.what());
        return 1;
    }
}
