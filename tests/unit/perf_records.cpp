// SPDX-License-Identifier: MIT
#include "perf/records.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <stdexcept>

#include <stdlib.h>

namespace xvsock::perf {
namespace {

namespace fs = std::filesystem;

record make(std::string path, std::string metric, std::uint64_t bytes, double value) {
    return {.path = std::move(path),
            .metric = std::move(metric),
            .bytes = bytes,
            .value = value,
            .unit = "us",
            .mode = "wall"};
}

class records_file : public testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "xvsock-records-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name;
        file_ = folder_ / "results.json";
    }

    void TearDown() override { fs::remove_all(folder_); }

    std::string content() const {
        std::ifstream input(file_);
        return {std::istreambuf_iterator<char>(input), {}};
    }

    fs::path folder_, file_;
};

TEST(records, text_and_back) {
    std::vector<record> list{make("vsock", "latency", 1, 43.25),
                             make("a \"quoted\" \\ path\n", "x", 1ull << 40, 0)};
    list[0].extra["note"] = "kept";
    const auto read = parse_records(format_records(list), "test");
    ASSERT_EQ(read.size(), 2u);
    EXPECT_EQ(read[0].path, "vsock");
    EXPECT_EQ(read[0].value, 43.25);
    EXPECT_EQ(read[0].extra.at("note").as_string(), "kept");
    EXPECT_EQ(read[1].path, list[1].path);
    EXPECT_EQ(read[1].bytes, 1ull << 40);
    EXPECT_TRUE(parse_records(format_records({}), "test").empty());
}

TEST(records, malformed_texts_are_refused) {
    const std::string rest = R"(, "metric": "m", "bytes": 1, "value": 2, "unit": "us", "mode": "wall"})";
    EXPECT_EQ(parse_records(R"([{"path": "p")" + rest + "]", "f").size(), 1u);
    for (const std::string& text :
         {std::string(), std::string("{}"), std::string("[1]"), std::string("[{}]"), std::string("[] x"),
          std::string(R"([{"path": "p")"), "[{\"path\": 1" + rest + "]", R"([{"path": "p")" + rest + ",]",
          std::string(R"([{"path":"p","metric":"m","bytes":-1,"value":2,"unit":"u","mode":"w"}])"),
          std::string(R"([{"path":"p","metric":"m","bytes":1.5,"value":2,"unit":"u","mode":"w"}])"),
          std::string(R"([{"path":"p","metric":"m","bytes":1,"value":"2","unit":"u","mode":"w"}])"),
          std::string(R"([{"path":"p","metric":"m","bytes":1,"value":2,"unit":"u"}])")})
        EXPECT_THROW(parse_records(text, "f"), std::runtime_error) << text;
}

TEST(records, errors_say_where) {
    try {
        parse_records("[\n{\"path\": \"p\"}]", "results.json");
        FAIL();
    } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "results.json: record 1: 'metric' is missing, must be a string");
    }
    try {
        parse_records("[\n\n{]", "results.json");
        FAIL();
    } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string(error.what()).find("results.json: line 3"), std::string::npos) << error.what();
    }
}

TEST(records, merging_replaces_what_measures_the_same) {
    std::vector<record> list{make("vsock", "latency", 1, 10), make("netfront", "latency", 1, 20)};
    merge_records(list, {make("vsock", "latency", 1, 11), make("vsock", "latency", 64, 12)});
    ASSERT_EQ(list.size(), 3u);
    EXPECT_EQ(list[0].path, "netfront");
    EXPECT_EQ(list[1].value, 11);
    EXPECT_EQ(list[2].bytes, 64u);
    auto virtual_time = make("vsock", "latency", 1, 5);
    virtual_time.mode = "virtual";
    merge_records(list, {virtual_time});
    EXPECT_EQ(list.size(), 4u);
}

TEST_F(records_file, append_keeps_what_is_there) {
    write_records(file_, {make("netfront", "latency", 1, 20)});
    auto list = read_records(file_);
    merge_records(list, {make("vsock", "latency", 1, 10)});
    write_records(file_, list);
    EXPECT_EQ(read_records(file_).size(), 2u);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1) << "a temporary file was left";
}

TEST_F(records_file, a_link_stays_a_link) {
    write_records(folder_ / "real.json", {});
    fs::create_symlink("real.json", file_);
    write_records(file_, {make("vsock", "latency", 1, 10)});
    EXPECT_TRUE(fs::is_symlink(file_));
    EXPECT_EQ(read_records(folder_ / "real.json").size(), 1u);
}

TEST_F(records_file, what_is_no_file_is_refused) {
    EXPECT_THROW(write_records("/dev/null", {}), std::runtime_error);
    EXPECT_TRUE(fs::is_character_file("/dev/null"));
    EXPECT_THROW(write_records(folder_, {}), std::runtime_error);
    EXPECT_THROW(write_records(folder_ / "missing" / "x.json", {}), std::runtime_error);
    EXPECT_THROW(read_records(folder_), std::runtime_error);
    EXPECT_THROW(read_records(folder_ / "missing.json"), std::runtime_error);
}

TEST_F(records_file, a_failed_write_leaves_the_old_file) {
    std::ofstream(file_) << "old";
    // The temporary file's name is six characters longer than the file's may be at most.
    const fs::path long_name = folder_ / std::string(250, 'x');
    std::ofstream(long_name) << "old";
    EXPECT_THROW(write_records(long_name, {make("vsock", "latency", 1, 10)}), std::runtime_error);
    file_ = long_name;
    EXPECT_EQ(content(), "old");
}

} // namespace
} // namespace xvsock::perf
