// SPDX-License-Identifier: MIT
// Two measures of each way and size. latency: a message there and back, of which half is one way. stream:
// messages one way, until the receiver has said that it has the last one of a batch.
#include "measure.hpp"
#include "kernel_way.hpp"
#include "memcpy_way.hpp"
#include "vchan_way.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace xvsock::bench {

namespace {

constexpr std::size_t kib = 1024;
constexpr std::size_t mib = 1024 * kib;

constexpr std::size_t sizes[] = {64, 256, kib, 4 * kib, 16 * kib, 64 * kib, 256 * kib, mib, 4 * mib};
constexpr std::uint32_t ring_orders[] = {12, 16, 18, 20};

/// A fixed number: were it found out by time, a time slice of something else while that is found out would
/// leave a few.
constexpr int samples_taken = 25;

/// Messages of a sample of the stream: enough that its begin and its end count little.
std::size_t batch_of(std::size_t size) {
    return std::clamp<std::size_t>(2 * mib / size, 2, 8192);
}

/// Rounds of a sample of the latency: enough that reading the clock does not count.
std::size_t rounds_of(std::size_t size) {
    return std::clamp<std::size_t>(mib / size, 1, 32);
}

/// Messages of the pass that compares every byte: any ring is filled a few times.
std::size_t verified_messages(std::size_t size) {
    return std::clamp<std::size_t>(4 * mib / size, 4, 65536);
}

/// The same messages on both sides, no two alike.
class messages {
public:
    explicit messages(std::uint32_t seed) : random_(seed) {}

    void next(bytes message) {
        for (std::size_t at = 0; at < message.size(); at += sizeof(std::uint64_t)) {
            const std::uint64_t word = random_();
            std::memcpy(message.data() + at, &word, std::min(sizeof(word), message.size() - at));
        }
    }

private:
    std::mt19937_64 random_;
};

/// How long each sample took.
class samples {
public:
    template <class Body> void take(Body body) {
        const auto begin = clock::now();
        body();
        seconds_.push_back(std::chrono::duration<double>(clock::now() - begin).count());
    }

    [[nodiscard]] double median() {
        const auto middle = seconds_.begin() + static_cast<std::ptrdiff_t>(seconds_.size() / 2);
        std::nth_element(seconds_.begin(), middle, seconds_.end());
        return middle == seconds_.end() ? 0 : *middle;
    }

private:
    using clock = std::chrono::steady_clock;

    std::vector<double> seconds_;
};

/// What check.cpp reads, from the median sample; the times that Google Benchmark adds are means.
void count_stream(benchmark::State& state, samples& taken, std::size_t size, std::size_t batch) {
    const auto moved = static_cast<std::int64_t>(batch) * static_cast<std::int64_t>(state.iterations());
    state.SetItemsProcessed(moved);
    state.SetBytesProcessed(moved * static_cast<std::int64_t>(size));
    state.counters["messages_per_second"] = static_cast<double>(batch) / taken.median();
}

void count_latency(benchmark::State& state, samples& taken, std::size_t rounds) {
    state.counters["one_way"] = taken.median() / 2 / static_cast<double>(rounds);
}

using buffer = std::vector<std::byte>;

/// Seeds of what the parent sends, and of what the child sends.
constexpr std::uint32_t parent_seed = 1;
constexpr std::uint32_t child_seed = 2;

void send_messages(way auto& here, std::uint32_t seed, std::size_t size, std::size_t count) {
    messages sent(seed);
    buffer message(size);
    for (std::size_t i = 0; i < count; ++i) {
        sent.next(message);
        here.send(message);
    }
}

bool receive_messages(way auto& here, std::uint32_t seed, std::size_t size, std::size_t count) {
    messages expected(seed);
    buffer wanted(size), message(size);
    bool good = true;
    for (std::size_t i = 0; i < count; ++i) {
        expected.next(wanted);
        here.receive(message);
        good = good && message == wanted;
    }
    return good;
}

void acknowledge(way auto& here, bool good = true) {
    const auto verdict = static_cast<std::byte>(good);
    here.send({&verdict, 1});
}

bool acknowledged(way auto& here) {
    std::byte verdict{};
    here.receive({&verdict, 1});
    return verdict == std::byte{1};
}

/// Moves a stream each way, and compares every byte.
bool verify_as_parent(way auto& here, std::size_t size) {
    send_messages(here, parent_seed, size, verified_messages(size));
    const bool there = acknowledged(here);
    const bool back = receive_messages(here, child_seed, size, verified_messages(size));
    return there && back;
}

void verify_as_child(way auto& here, std::size_t size) {
    acknowledge(here, receive_messages(here, parent_seed, size, verified_messages(size)));
    send_messages(here, child_seed, size, verified_messages(size));
}

/// One measurement: makes the way anew each time that Google Benchmark runs it, and verifies it the first
/// time.
template <class Make> class measurement {
public:
    measurement(Make make, std::size_t size) : make_(make), size_(size) {}

protected:
    /// Runs `as_child` for ever in the peer, and as_parent(way) here, when the way has moved bytes correctly.
    template <class AsChild, class AsParent>
    void run(benchmark::State& state, AsChild as_child, AsParent as_parent) {
        auto here = make_();
        const pid_t parent = ::getpid();
        const peer_process peer{[&] {
            settle(side::child);
            here.settle(side::child, parent);
            if (!verified_)
                verify_as_child(here, size_);
            for (;;)
                as_child(here);
        }};
        settle(side::parent);
        here.settle(side::parent, peer.pid());
        if (!verified_ && !verify_as_parent(here, size_)) {
            state.SkipWithError("what was received is not what was sent");
            return;
        }
        verified_ = true;
        as_parent(here);
    }

    [[nodiscard]] std::size_t size() const { return size_; }

private:
    Make make_;
    std::size_t size_;
    bool verified_ = false;
};

template <class Make> class latency : measurement<Make> {
public:
    using measurement<Make>::measurement;

    void operator()(benchmark::State& state) {
        buffer message(this->size()), answer(this->size());
        this->run(
            state,
            [&](way auto& here) {
                here.receive(message);
                here.send(message);
            },
            [&](way auto& here) {
                samples taken;
                const auto rounds = rounds_of(this->size());
                while (state.KeepRunning()) {
                    taken.take([&] {
                        for (std::size_t i = 0; i < rounds; ++i) {
                            here.send(message);
                            here.receive(answer);
                        }
                    });
                }
                count_latency(state, taken, rounds);
            });
    }
};

template <class Make> class stream : measurement<Make> {
public:
    using measurement<Make>::measurement;

    void operator()(benchmark::State& state) {
        buffer message(this->size());
        const auto batch = batch_of(this->size());
        this->run(
            state,
            [&](way auto& here) {
                for (std::size_t i = 0; i < batch; ++i)
                    here.receive(message);
                acknowledge(here);
            },
            [&](way auto& here) {
                samples taken;
                while (state.KeepRunning()) {
                    taken.take([&] {
                        for (std::size_t i = 0; i < batch; ++i)
                            here.send(message);
                        acknowledged(here);
                    });
                }
                count_stream(state, taken, this->size(), batch);
            });
    }
};

void copy_here(benchmark::State& state, std::size_t ring_size, unsigned copies, std::size_t size) {
    settle(side::parent);
    memcpy_here way(ring_size, copies);
    buffer from(size), to(size);
    messages(parent_seed).next(from);
    way.move(from, to);
    if (copies == 2 && from != to) {
        state.SkipWithError("what was copied out is not what was copied in");
        return;
    }
    const auto batch = batch_of(size);
    samples taken;
    while (state.KeepRunning()) {
        taken.take([&] {
            for (std::size_t i = 0; i < batch; ++i)
                way.move(from, to);
        });
    }
    count_stream(state, taken, size, batch);
}

/// As RegisterBenchmark() of Google Benchmark, in which clang's analyzer sees a leak.
class registered : public benchmark::internal::Benchmark {
public:
    using body = std::function<void(benchmark::State&)>;

    static void add(const std::string& name, body what) {
        // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDeleteLeaks): it belongs to Google Benchmark
        benchmark::internal::RegisterBenchmarkInternal(new registered(name, std::move(what)));
    }

    void Run(benchmark::State& state) override { body_(state); }

private:
    registered(const std::string& name, body what) : Benchmark(name.c_str()), body_(std::move(what)) {
        Iterations(samples_taken);
        UseRealTime();
    }

    body body_;
};

template <class Make> void add(const std::string& name, Make make) {
    for (const auto size : sizes) {
        registered::add(fmt::format("latency/{}/{}", name, size), latency<Make>(make, size));
        registered::add(fmt::format("stream/{}/{}", name, size), stream<Make>(make, size));
    }
}

const char* name_of(waiting how) {
    switch (how) {
    case waiting::spins:
        return "spin";
    case waiting::blocks:
        return "block";
    default:
        return "adaptive";
    }
}

std::string name_of_ring(std::uint32_t order) {
    const auto size = std::size_t{1} << order;
    return size < mib ? fmt::format("{}K", size / kib) : fmt::format("{}M", size / mib);
}

} // namespace

void add_measurements() {
    for (const auto order : ring_orders) {
        const auto ring = name_of_ring(order);
        const auto ring_size = std::size_t{1} << order;
        for (const auto size : sizes) {
            for (const unsigned copies : {1U, 2U})
                registered::add(
                    fmt::format("stream/memcpy/{}/{}/{}", copies == 1 ? "once" : "twice", ring, size),
                    [=](benchmark::State& state) { copy_here(state, ring_size, copies, size); });
        }
        add(fmt::format("memcpy/turns/{}", ring), [=] { return memcpy_in_turns(ring_size); });
        for (const auto how : {waiting::spins, waiting::adaptive, waiting::blocks}) {
            add(fmt::format("vchan/{}/{}", name_of(how), ring),
                [=] { return vchan_way({.order = order, .waits = how}); });
            add(fmt::format("wide/{}/{}", name_of(how), ring),
                [=] { return vchan_way({.order = order, .waits = how, .layout = VCHAN_LAYOUT_WIDE}); });
        }
    }
    for (const auto how : {waiting::spins, waiting::adaptive, waiting::blocks})
        add(fmt::format("simple/{}/256K", name_of(how)),
            [=] { return vchan_way({.order = 18, .waits = how, .use = ring_use::simple}); });
    for (const auto how : {waiting::spins, waiting::blocks}) {
        for (const auto& [name, kind] :
             {std::pair{"pipe", kernel_kind::pipe}, std::pair{"unix", kernel_kind::unix_socket},
              std::pair{"tcp", kernel_kind::loopback_tcp}})
            add(fmt::format("{}/{}", name, name_of(how)),
                [kind = kind, how] { return kernel_way(kind, how); });
        add(fmt::format("vm_writev/{}/256K", name_of(how)),
            [=] { return vchan_way({.order = 18, .waits = how, .copies = copying::by_kernel}); });
    }
}

} // namespace xvsock::bench
