// SPDX-License-Identifier: MIT
// results.json, and what the report and the plots make of it.
#include "collect.hpp"
#include "plot.hpp"
#include "report.hpp"
#include "results.hpp"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <stdexcept>

#include <stdlib.h>

namespace xvsock::bench {
namespace {

namespace fs = std::filesystem;

result make(std::string path, std::string metric, std::uint64_t bytes, double value,
            std::string unit = "us") {
    return {{std::move(path), std::move(metric), bytes, value, std::move(unit), "virtual"}, "NPtcp"};
}

results example() {
    results all;
    all.where.versions = {{"xen", "4.17"}, {"xvsock", "abc"}};
    all.where.machine = {{"cpu", "a processor"}};
    all.list = {make("netfront", "np_latency", 1, 100), make("vchan", "np_latency", 1, 11),
                make("vchan", "np_latency", 3, 11.5),   make("netfront", "np_latency", 65536, 400),
                make("vchan", "np_latency", 65536, 20), make("memcpy-2", "latency", 65536, 10)};
    return all;
}

class bench_folder : public testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "xvsock-bench-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override { fs::remove_all(folder_); }

    void write(const fs::path& name, const std::string& text) const {
        fs::create_directories((folder_ / name).parent_path());
        std::ofstream(folder_ / name) << text;
    }

    fs::path folder_;
};

TEST_F(bench_folder, a_record_says_all_of_it) {
    const auto all = example();
    write_results(folder_ / "results.json", all);
    const auto read = perf::read_records(folder_ / "results.json");
    ASSERT_EQ(read.size(), all.list.size());
    for (std::size_t i = 0; i < read.size(); ++i) {
        EXPECT_EQ(read[i].path, all.list[i].path);
        EXPECT_EQ(read[i].value, all.list[i].value);
        EXPECT_EQ(read[i].extra.at("tool"), "NPtcp");
        EXPECT_EQ(read[i].extra.at("versions").at("xen"), "4.17");
        EXPECT_EQ(read[i].extra.at("machine").at("cpu"), "a processor");
    }
}

TEST(bench_report, figures_and_ratios) {
    const auto text = report(example(), "virtual", true, {"argo is left out: no source"}, {});
    EXPECT_NE(text.find("# Data paths compared: virtual time, quick"), std::string::npos) << text;
    EXPECT_NE(text.find("**argo is left out: no source**"), std::string::npos);
    EXPECT_NE(text.find("| bytes | netfront | vchan | vchan / netfront |"), std::string::npos) << text;
    EXPECT_NE(text.find("| 1 | 100 | 11.0 | 0.11 |"), std::string::npos) << text;
    EXPECT_NE(text.find("| 64K | 400 | 20.0 | 0.05 |"), std::string::npos) << text;
    EXPECT_EQ(text.find("| 3 |"), std::string::npos) << "the table has powers of four only";
    EXPECT_EQ(text.find("iperf3"), std::string::npos) << "what was not measured has no section";
    EXPECT_NE(text.find("| version of xen | 4.17 |"), std::string::npos);
}

TEST(bench_report, digits) {
    EXPECT_EQ(figure(20411.2), "20411");
    EXPECT_EQ(figure(10.81), "10.8");
    EXPECT_EQ(figure(0.1134), "0.113");
    EXPECT_EQ(figure(0), "0");
}

TEST(bench_plot, data_and_script) {
    const auto plots = plots_of(example(), "virtual");
    ASSERT_FALSE(plots.empty());
    EXPECT_EQ(plots[0].name, "latency");
    EXPECT_NE(plots[0].title.find("virtual"), std::string::npos);
    ASSERT_EQ(plots[0].lines.size(), 3u) << "the memory's limit is in it";
    EXPECT_TRUE(plots[0].lines[2].dashed);
    EXPECT_NE(plot_data(plots[0]).find("# vchan (NPtcp)\n1 11\n3 11.5\n65536 20\n"), std::string::npos);
    const auto script = plot_script(plots[0]);
    EXPECT_NE(script.find("\"latency.dat\" index 2"), std::string::npos) << script;
    EXPECT_NE(script.find("latency.svg"), std::string::npos);
    EXPECT_NE(script.find("latency.png"), std::string::npos);
}

TEST_F(bench_folder, the_ring_alone_is_told_by_way_and_size) {
    const auto entry = [](const std::string& name, const std::string& type, const std::string& counter) {
        return "{\"run_name\": \"" + name + "/iterations:25/real_time\", \"run_type\": \"" + type +
               "\", \"real_time\": 7, " + counter + "}";
    };
    const std::string one_way = "latency/wide/spin/256K/64", stream = "stream/unix/block/65536";
    write("ring/ring.json", "{\"benchmarks\": [" + entry(one_way, "iteration", "\"one_way\": 2e-6") + ", " +
                                entry(one_way, "iteration", "\"one_way\": 3e-6") + ", " +
                                entry(one_way, "iteration", "\"one_way\": 9e-6") + ", " +
                                entry(one_way, "aggregate", "\"one_way\": 1") + ", " +
                                entry(stream, "iteration", "\"messages_per_second\": 1000") + "]}");
    const auto all = collect(folder_, {{.name = "ring", .scenario = {}}}, mode::native);
    ASSERT_EQ(all.list.size(), 2u);
    EXPECT_NEAR(*find(all, "wide/spin/256K", "native_latency", 64), 3, 1e-9) << "the median";
    EXPECT_NEAR(*find(all, "unix/block", "native_bandwidth", 65536), 524.288, 1e-9);
}

TEST(bench_cost, interrupts_by_name) {
    const std::string text = "           CPU0       CPU1\n"
                             " 49:         10          5  xen-dyn    -event     eth0-q0-tx\n"
                             " 50:        100          0  xen-dyn    -event     vif2.0-q0-rx\n"
                             " 51:       1000          1  xen-dyn    -event     hvc_console\n"
                             "NMI:          7          7   Non-maskable interrupts\n";
    EXPECT_EQ(count_interrupts(text, {"eth0", "vif"}), 115u);
    EXPECT_EQ(count_interrupts(text, {"hvc"}), 1001u);
    EXPECT_EQ(count_interrupts("", {"eth0"}), 0u);
}

TEST_F(bench_folder, what_reading_the_counters_costs_is_taken_off) {
    const auto write_moment = [&](const std::string& test, const char* moment, int kicks, long guest,
                                  long dom0) {
        const auto stem = "cost.vchan." + test + "." + moment;
        for (const char* domain : {"g1", "g2"})
            write(std::string(domain) + "/" + stem + ".stat",
                  "{\"total\": {\"kicks\": " + std::to_string(kicks) + "}}");
        write("dom0/" + stem + ".domids", "1 2\n");
        write("dom0/" + stem + ".cpu", "0 " + std::to_string(dom0) + "\n1 " + std::to_string(guest) + "\n2 " +
                                           std::to_string(guest) + "\n7 5\nidle 99\n");
    };
    write_moment("nothing-0-1", "before", 0, 0, 0);
    write_moment("nothing-0-1", "after", 0, 1'000'000, 3'000'000);
    write_moment("stream-1048576-1024", "before", 10, 0, 0);
    write_moment("stream-1048576-1024", "after", 522, 101'000'000, 13'000'000);
    EXPECT_TRUE(cost_of(folder_, "vchan", "nothing-0-1", mode::virtual_time).empty());
    results all;
    all.list = cost_of(folder_, "vchan", "stream-1048576-1024", mode::virtual_time); // 1 GiB
    EXPECT_EQ(find(all, "vchan", "stream_kicks_per_message", 1048576), 1);
    EXPECT_EQ(find(all, "vchan", "stream_kicks_per_mib", 1048576), 1);
    EXPECT_EQ(find(all, "vchan", "cpu_guests", 1048576), 200);
    EXPECT_EQ(find(all, "vchan", "cpu_dom0", 1048576), 10);
}

} // namespace
} // namespace xvsock::bench
