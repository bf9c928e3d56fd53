// SPDX-License-Identifier: MIT
#include "common/document.hpp"
#include "table.hpp"

#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;
using namespace xvsock::programs;
using xvsock::tests::replace_region;
using xvsock::tests::write_file;

constexpr const char* line =
    R"({"programs":"curl 7.88","way":"xvsock run","what":"16 MiB","check":"a|b","result":"passed"})";

class programs_table : public testing::Test {
protected:
    programs_table() { fs::create_directories(folder_ / "results/g2"); }
    ~programs_table() override { fs::remove_all(folder_); }

    void status(const std::string& passed) {
        write_file((folder_ / "status.json").string(),
                   R"({"suite":"bookworm","kernel":"6.1","passed":)" + passed + "}");
    }
    void record(const std::string& text) {
        write_file((folder_ / "results/g2/programs.jsonl").string(), text);
    }
    std::vector<proof> read() const { return read_proofs(folder_.string()); }

    fs::path folder_ = fs::temp_directory_path() / ("programs-" + std::to_string(::getpid()));
};

TEST_F(programs_table, has_a_line_for_each_proof) {
    status("true");
    record(std::string(line) + "\n" + line + "\n");
    const auto text = markdown(read());
    EXPECT_NE(text.find("| curl 7.88 | xvsock run | 16 MiB | a\\|b | bookworm, Linux 6.1 | passed |\n"),
              std::string::npos)
        << text;
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4);
}

TEST_F(programs_table, a_failure_stands_out) {
    auto one = parse_proof(line, "x");
    one.passed = false;
    EXPECT_NE(markdown({one}).find("| **failed** |"), std::string::npos);
}

TEST_F(programs_table, refuses_what_shows_nothing) {
    EXPECT_THROW(read(), std::runtime_error); // no status.json
    status("true");
    EXPECT_THROW(read(), std::runtime_error);
    record(line);
    EXPECT_EQ(read().size(), 1U);
    status("false");
    EXPECT_THROW(read(), std::runtime_error);
}

TEST_F(programs_table, names_the_line_that_is_wrong) {
    status("true");
    record(std::string(line) + "\n" +
           R"({"programs":"x","way":"y","what":"z","check":"c","result":"maybe"})");
    try {
        read();
        FAIL() << "it is taken";
    } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string(error.what()).find("programs.jsonl, line 2: \"maybe\""), std::string::npos)
            << error.what();
    }
}

TEST(document, only_its_region_is_replaced) {
    const std::string document =
        "head\n<!-- conformance 6.1 -->\nold\n<!-- end of conformance 6.1 -->\ntail\n";
    const auto once = replace_region(document, "conformance 6.1", "new\n");
    EXPECT_EQ(once, "head\n<!-- conformance 6.1 -->\n\nnew\n<!-- end of conformance 6.1 -->\ntail\n");
    EXPECT_EQ(replace_region(once, "conformance 6.1", "new\n"), once);
    EXPECT_THROW(replace_region(document, "conformance 6.12", "new\n"), std::invalid_argument);
}

} // namespace
